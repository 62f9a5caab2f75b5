"""``check``, ``explain`` and ``schema --markdown`` on the command line: output, exit codes, and that nothing runs."""

import json

import pytest

BROKEN = "raise RuntimeError('this plugin was imported')"


def findings(done):
    return {finding["code"]: finding for finding in json.loads(done.stdout)["findings"]}


def break_factory(site):
    plugin = site.folder / "echo_model" / "plugin.py"
    plugin.write_text(plugin.read_text().replace("def create_echo_plugin()", "def create_echo_plugin(size)"))


def test_a_check_shows_each_finding_with_its_fix_and_ends_with_a_count(site, cli):
    site.install_echo()
    break_factory(site)
    done = cli.run("check", "echo")
    text = done.stdout.decode()
    assert done.returncode == 3
    assert "error: factory-needs-arguments  " in text
    assert "plugin.py:" in text
    assert "  create_echo_plugin() asks for size\n  fix: Give every parameter a default.\n" in text
    assert text.splitlines()[-1].startswith("inference-pio-echo (echo) has errors: 1 error, ")
    assert text.index("error: ") < text.index("warning: "), "the worst first"
    assert done.stderr == b""


def test_keys_of_check_json_are_stable(site, cli):
    site.install_echo()
    break_factory(site)
    done = cli.run("check", "echo", "--json")
    assert done.returncode == 3
    data = json.loads(done.stdout)
    assert list(data) == ["target", "kind", "dist", "plugin", "plugins", "findings", "counts", "ok", "measured"]
    assert (data["target"], data["kind"], data["plugin"], data["ok"]) == ("echo", "installed", "echo", False)
    assert data["counts"]["error"] == 1
    finding = findings(done)["factory-needs-arguments"]
    assert list(finding) == ["code", "severity", "message", "where", "fix", "docs"]
    assert finding["docs"] == "reference/codes.md#factory-needs-arguments"


def test_warnings_count_only_when_asked(site, cli):
    site.install_echo()
    done = cli.run("check", "echo", "--json")
    counts = json.loads(done.stdout)["counts"]
    assert (done.returncode, counts["error"]) == (0, 0)
    assert counts["warning"] > 0
    assert cli.run("check", "echo", "--strict").returncode == 3


def test_a_check_imports_the_plugin_only_when_asked(site, cli):
    site.install_echo()
    (site.folder / "echo_model" / "extra.py").write_text(BROKEN)
    plugin = site.folder / "echo_model" / "plugin.py"
    plugin.write_text(plugin.read_text() + "\nfrom . import extra\n")
    assert cli.run("check", "echo").returncode == 0
    done = cli.run("check", "echo", "--import", "--json")
    assert done.returncode == 3
    assert "this plugin was imported" in findings(done)["import-failed"]["message"]


def test_what_cannot_be_checked_is_wrong_usage(cli):
    done = cli.run("check", "nothing-of-that-name")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"nothing here is called 'nothing-of-that-name'" in done.stderr


def test_a_python_that_cannot_read_toml_says_what_to_do(cli, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    done = cli.python(
        "import sys; sys.modules.update({'tomllib': None, 'tomli': None, 'pip._vendor.tomli': None});"
        f"from inference_pio.cli import main; sys.exit(main(['check', {str(tmp_path)!r}]))"
    )
    assert done.returncode == 1
    assert b"check the built wheel instead" in done.stderr


def test_a_code_is_explained(cli):
    text = cli.run("explain", "heavy-import").stdout.decode()
    assert text.startswith("heavy-import (warning)\nImporting the plugin's module imports torch")
    assert "\nfix: Move the import into the function" in text
    data = json.loads(cli.run("explain", "Heavy-Import", "--json").stdout)
    assert list(data) == ["name", "severity", "meaning", "fix"]


def test_without_a_code_all_are_listed(cli):
    from inference_pio.codes import all_codes

    text = cli.run("explain").stdout.decode()
    data = json.loads(cli.run("explain", "--json").stdout)["codes"]
    assert {code["name"] for code in data} == set(all_codes())
    assert all(f"  {name} " in text for name in all_codes())


def test_an_unknown_code_gets_the_nearest(cli):
    done = cli.run("explain", "heavy-imports")
    assert done.returncode == 2
    assert b"Did you mean 'heavy-import'" in done.stderr


@pytest.mark.parametrize(("words", "expected"), [("explain heavy-", "heavy-import"), ("check ec", "echo")])
def test_codes_and_targets_complete(echo, words, expected):
    done = echo.python(
        "import sys; sys.argv[0] = 'ipio'; from inference_pio.cli import main; sys.exit(main())",
        _IPIO_COMPLETE="bash_complete",
        COMP_WORDS=f"ipio {words}",
        COMP_CWORD="2",
    )
    assert expected in done.stdout.decode()


def test_the_reference_of_the_manifest_is_markdown(cli):
    text = cli.run("schema", "--markdown").stdout.decode()
    assert text.startswith("## The manifest\n")
    assert text.endswith("|\n")
