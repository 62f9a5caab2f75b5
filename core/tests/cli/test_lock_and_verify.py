"""``lock`` and ``verify`` as they are typed: files, exit codes, JSON, and one real environment."""

import base64
import hashlib
import json
import os
import subprocess
import venv
import zipfile

import pytest

SOURCE = "def create():\n    raise RuntimeError('nobody runs this')\ndef main():\n    print('hello')\n"


def record(site, dist, *files):
    """Write the RECORD of an installed distribution."""
    (info,) = site.folder.glob(f"{dist.replace('-', '_')}-*.dist-info")
    (info / "RECORD").unlink(missing_ok=True)
    paths = [*info.iterdir(), *(path for file in files for path in [site.folder / file])]
    lines = [record_line(path.relative_to(site.folder).as_posix(), path.read_bytes()) for path in paths]
    (info / "RECORD").write_text("".join(lines) + f"{info.name}/RECORD,,\n")


def record_line(path, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


@pytest.fixture
def plugin(site, cli):
    """An installed plugin of one module; the path of the module."""
    site.install_module("acme-tools", "inference_pio.hooks", "tools = acme_tools", "acme_tools", SOURCE)
    record(site, "acme-tools", "acme_tools.py")
    return site.folder / "acme_tools.py"


def test_what_was_locked_verifies_until_a_file_changes(cli, plugin):
    locked = cli.run("lock")
    assert (locked.returncode, locked.stdout) == (0, b"")
    assert locked.stderr == b"1 distribution, 3 files -> inference-pio.lock.json\n"
    verified = cli.run("verify")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.decode().split() == [
        *("DISTRIBUTION", "VERSION", "FILES", "RESULT"), *("acme-tools", "1.0", "5", "as", "locked"),
    ]  # fmt: skip
    plugin.write_text(SOURCE.replace("hello", "jello"))
    verified = cli.run("verify")
    assert verified.returncode == 1
    assert b"file-changed  acme-tools acme_tools.py is neither what the lock says" in verified.stdout
    assert b"fix file-changed: Reinstall" in verified.stdout
    assert b"1 finding" in verified.stdout


def test_without_a_lock_file_record_alone_is_compared_and_that_is_said(cli, plugin):
    verified = cli.run("verify")
    assert verified.returncode == 0
    assert b"comparing with RECORD alone" in verified.stderr
    assert b"as in RECORD" in verified.stdout
    plugin.unlink()
    assert cli.run("verify").returncode == 1


def test_findings_are_there_for_programs(cli, plugin):
    cli.run("lock", "-o", "there.json")
    plugin.write_text("x = 1\n")
    verified = cli.run("verify", "there.json", "--json")
    data = json.loads(verified.stdout)
    assert verified.returncode == 1
    assert (data["ok"], data["lock_file"]) == (False, "there.json")
    assert data["distributions"] == [{"name": "acme-tools", "version": "1.0", "files": 5, "ok": False}]
    (finding,) = data["findings"]
    assert finding.keys() == {"code", "severity", "counts", "distribution", "path", "message", "fix"}
    assert (finding["code"], finding["distribution"], finding["path"]) == (
        "file-changed",
        "acme-tools",
        "acme_tools.py",
    )


def test_a_missing_or_broken_lock_file_ends_with_2(cli, plugin):
    missing = cli.run("verify", "none.json")
    assert missing.returncode == 2
    assert b"there is no lock file none.json" in missing.stderr
    (cli.home / "inference-pio.lock.json").write_text('{"lock_version": 1}')
    broken = cli.run("verify")
    assert broken.returncode == 2
    assert b"at `$`" in broken.stderr
    assert broken.stdout == b""


def test_what_differs_from_record_already_is_not_locked_without_force(cli, plugin):
    plugin.write_text("x = 1\n")
    refused = cli.run("lock")
    assert refused.returncode == 1
    assert b"file-changed  acme-tools acme_tools.py" in refused.stderr
    assert b"nothing was locked" in refused.stderr
    assert b"->" not in refused.stderr, "no word of a file that was not written"
    assert not (cli.home / "inference-pio.lock.json").exists()
    refused = cli.run("lock", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["path"]) == (1, None)
    assert cli.run("lock", "--force").returncode == 0
    assert cli.run("verify").returncode == 0, "it is as it was locked"


def test_a_lock_can_go_to_standard_output(cli, plugin):
    done = cli.run("lock", "-o", "-")
    assert [dist["name"] for dist in json.loads(done.stdout)["distributions"]] == ["acme-tools"]
    assert list(cli.home.glob("*.json")) == []
    assert cli.run("lock", "-o", "-").stdout == done.stdout
    assert cli.run("lock", "-o", "-", "--json").returncode == 2


def test_a_lock_is_summed_up_for_programs(cli, plugin):
    done = cli.run("lock", "--json")
    assert json.loads(done.stdout) == {
        "path": "inference-pio.lock.json", "distributions": 1, "files": 3, "not_verifiable": [], "findings": [],
    }  # fmt: skip


def test_editable_installs_fail_unless_they_are_allowed(site, cli, plugin):
    (info,) = site.folder.glob("acme_tools-*.dist-info")
    (info / "direct_url.json").write_text('{"url": "file:///src/tools", "dir_info": {"editable": true}}')
    locked = cli.run("lock")
    assert locked.returncode == 0
    assert b"not verifiable: acme-tools 1.0 is an editable install of file:///src/tools" in locked.stderr
    verified = cli.run("verify")
    assert verified.returncode == 1
    assert b"not-verifiable  acme-tools is an editable install" in verified.stdout
    allowed = cli.run("verify", "--allow-editable")
    assert allowed.returncode == 0
    assert b"not verifiable, accepted" in allowed.stdout
    assert b"file:///src/tools (accepted)" in allowed.stdout
    assert b"fix" not in allowed.stdout, "there is nothing to mend"
    (info / "RECORD").unlink()
    assert cli.run("verify", "--allow-editable").returncode == 1, "what else is wrong with it still counts"


def test_a_path_that_would_move_the_cursor_is_shown_and_not_obeyed(site, cli, plugin):
    (info,) = site.folder.glob("acme_tools-*.dist-info")
    with (info / "RECORD").open("a") as file:
        file.write("\x1b[2Jgone.py,,\n")
    shown = cli.run("verify").stdout
    assert b"\x1b" not in shown
    assert b"\\x1b[2Jgone.py" in shown


def test_with_nothing_installed_there_is_nothing_to_lock(cli):
    done = cli.run("lock")
    assert done.returncode == 1
    assert b"nothing to look at" in done.stderr


def test_dependencies_are_locked_on_request_and_the_lock_remembers_that(site, cli, plugin):
    library = site.install("some-library", {})
    (info,) = site.folder.glob("some_library-*.dist-info")
    record(library, "some-library")
    (needs,) = site.folder.glob("acme_tools-*.dist-info/METADATA")
    needs.write_text(needs.read_text() + "Requires-Dist: some-library\n")
    record(site, "acme-tools", "acme_tools.py")
    assert json.loads(cli.run("lock", "--json").stdout)["distributions"] == 1
    assert json.loads(cli.run("lock", "--json", "--with-dependencies").stdout)["distributions"] == 2
    (info / "METADATA").write_text("Name: some-library\n")
    assert b"some-library some_library-1.0.dist-info/METADATA" in cli.run("verify").stdout


def build_wheel(folder):
    """Write a wheel of a plugin with a command, the way a build tool does; returns its path."""
    info = "acme_tools-1.0.dist-info"
    files = {
        "acme_tools/__init__.py": "",
        "acme_tools/plugin.py": SOURCE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: acme-tools\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nacme-tools = acme_tools.plugin:main\n"
        "[inference_pio.hooks]\ntools = acme_tools.plugin\n",
    }
    lines = [record_line(path, text.encode()) for path, text in files.items()]
    path = folder / "acme_tools-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": "".join(lines) + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(zipfile.ZipInfo(name), text)  # without the time, so that two wheels are the same bytes
    return path


class RealEnvironment:
    """A virtual environment with a plugin that pip installed."""

    def __init__(self, folder, host):
        venv.create(folder / "venv", with_pip=True)
        self.python = folder / "venv" / "bin" / "python"
        self.folder = folder
        self.host = host
        self.run("pip", "install", "--no-index", "--no-deps", str(build_wheel(folder)), check=True)
        (self.site,) = (folder / "venv" / "lib").glob("python*/site-packages")

    def run(self, module, *args, **kwargs):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return subprocess.run(
            [self.python, "-m", module, *args],
            env={**environment, "PYTHONPATH": str(self.host)} if module == "inference_pio" else environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            **kwargs,
        )

    def verify(self, *args):
        """Exit code, and code and path of each finding that counts."""
        done = self.run("inference_pio", "verify", "--json", *args)
        found = [finding for finding in json.loads(done.stdout)["findings"] if finding["counts"]]
        return done.returncode, [(finding["code"], finding["path"]) for finding in found]


@pytest.mark.slow
def test_what_pip_installed_verifies_and_each_tampering_is_named(tmp_path, host_packages):
    real = RealEnvironment(tmp_path, host_packages)
    assert real.run("inference_pio", "lock").returncode == 0
    assert real.verify() == (0, []), "with the bytecode, the command and the bookkeeping of a real pip"

    module = real.site / "acme_tools" / "plugin.py"
    original, times = module.read_bytes(), module.stat()
    module.write_bytes(original.replace(b"hello", b"hellO"))  # one byte
    # Of another second than the installed one: else the bytecode of that would still run, and would be named too.
    os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns + 10_000_000_000))
    assert real.verify() == (1, [("file-changed", "acme_tools/plugin.py")])
    module.write_bytes(original)
    os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))

    stray = real.site / "acme_tools" / "sitecustomize.py"
    stray.write_text("print('evil')\n")
    assert real.verify() == (1, [("file-extra", "acme_tools/sitecustomize.py")])
    stray.unlink()

    command = tmp_path / "venv" / "bin" / "acme-tools"
    assert subprocess.run([command], capture_output=True, text=True, check=True).stdout == "hello\n"
    text = command.read_text()
    command.write_text(text.replace("import sys\n", "import sys\nprint('evil')\n"))
    assert real.verify()[1] == [
        ("file-changed", "../../../bin/acme-tools"),
        ("launcher-changed", "../../../bin/acme-tools"),
    ]
    command.write_text(text)

    # A real compiler's bytecode, with the header of the real source.
    code = (
        "import importlib.util, marshal, pathlib, py_compile, sys\n"
        "pyc = pathlib.Path(py_compile.compile(sys.argv[1]))\n"
        "pyc.write_bytes(pyc.read_bytes()[:16] + marshal.dumps(compile('print(1)', sys.argv[1], 'exec')))\n"
        "print(pyc.relative_to(pathlib.Path(sys.argv[1]).parent.parent).as_posix())\n"
    )
    forged = subprocess.run(
        [real.python, "-c", code, module], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert real.verify() == (1, [("bytecode-changed", forged)])
    (real.site / forged).unlink()
    assert real.verify() == (0, [])


@pytest.mark.slow
def test_a_lock_holds_in_another_environment(tmp_path, host_packages):
    (tmp_path / "one").mkdir()
    (tmp_path / "a folder").mkdir()  # a space: pip writes another kind of first line into commands
    one, other = RealEnvironment(tmp_path / "one", host_packages), RealEnvironment(tmp_path / "a folder", host_packages)
    assert one.run("inference_pio", "lock").returncode == 0
    code, found = other.verify(str(tmp_path / "one" / "inference-pio.lock.json"))
    assert (code, found) == (0, []), "the origin is the wheel's hash, wherever it lay"
