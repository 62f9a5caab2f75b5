"""``doctor``: what it prints, and how it ends."""

import json
import re

import pytest

HOOK = "import inference_pio\n@inference_pio.hookimpl\ndef pio_doctor_checks(): raise ValueError('no')\n"
NO_REMARKS = {"INFERENCE_PIO_DISABLE": "", "OMP_NUM_THREADS": "", "MKL_NUM_THREADS": "", "OPENBLAS_NUM_THREADS": ""}


@pytest.mark.parametrize(
    ("status", "code", "strict"), [("ok", 0, False), ("warning", 0, False), ("warning", 1, True), ("error", 1, False)]
)
def test_it_fails_only_when_something_does_not_work(echo, status, code, strict):
    done = echo.run("doctor", *["--strict"] * strict, env={"ECHO_DOCTOR": status})
    assert done.returncode == code, done.stdout
    assert b"it echoes" in done.stdout
    assert b"fix: shout" in done.stdout


def test_a_plugins_defect_has_an_exit_code_of_its_own(cli, site):
    site.install_module("acme-bad", "inference_pio.hooks", "bad = bad_hooks", "bad_hooks", HOOK)
    done = cli.run("doctor", "--json")
    assert done.returncode == 3
    assert done.stderr == b""
    data = json.loads(done.stdout)
    assert data["status"] == "error"
    assert "check-failed" in {finding["code"] for finding in data["findings"]}


def test_what_is_a_finding_is_not_a_warning_as_well(cli, site):
    site.install_module("acme-bad", "inference_pio.hooks", "bad = bad_hooks", "bad_hooks", "import no_such_lib")
    done = cli.run("doctor", env={"INFERENCE_PIO_DISABLE": "nobody"})
    assert done.returncode == 3
    assert done.stderr == b""
    assert b"no_such_lib" in done.stdout
    assert b"names nobody" in done.stdout


def test_the_json_has_the_worst_status_the_counts_and_every_finding(echo):
    data = json.loads(echo.run("doctor", "--json", env={"ECHO_DOCTOR": "error"}).stdout)
    assert set(data) == {"status", "summary", "findings"}
    assert data["status"] == "error"
    statuses = [finding["status"] for finding in data["findings"]]
    assert data["summary"] == {status: statuses.count(status) for status in ("ok", "warning", "error")}
    mine = next(finding for finding in data["findings"] if finding["name"] == "echo")
    assert mine == {
        "group": "hooks",
        "code": "contributed",
        "name": "echo",
        "status": "error",
        "message": "it echoes",
        "fix": "shout",
        "data": {"db": 60},
    }
    assert all(set(finding) == set(mine) for finding in data["findings"])


def test_findings_stand_in_sections_and_are_counted(echo):
    text = echo.run("doctor", env=NO_REMARKS).stdout.decode()
    assert re.findall(r"^[a-z]+$", text, re.MULTILINE) == [
        "machine",
        "libraries",
        "storage",
        "installation",
        "plugins",
        "hooks",
    ]
    assert re.fullmatch(r"\d+ fine, \d+ warnings?", text.splitlines()[-1])


def test_on_a_terminal_it_is_coloured_and_wrapped(terminal):
    with terminal("doctor", env={"ECHO_DOCTOR": "error"}) as screen:
        assert screen.wait() == 1
        assert "\x1b[31merror" in screen.seen
        lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.seen).splitlines()
    messages = [line for line in lines if "rm -r" not in line]  # words are never broken, and a path is one word
    assert any("    fix: shout" in line for line in lines)
    assert all(len(line) <= 100 for line in messages if line.count(" ") > 40)


def test_it_imports_no_torch(echo):
    code = "import sys; from inference_pio.cli import main; main(['doctor']); assert 'torch' not in sys.modules"
    assert echo.python(code).returncode == 0


def test_the_exit_codes_are_documented_in_the_help(cli):
    text = cli.run("doctor", "--help").stdout.decode()
    assert re.search(r"^ +0  nothing is wrong", text, re.MULTILINE)
    assert re.search(r"^ +3  a plugin is defective", text, re.MULTILINE)
