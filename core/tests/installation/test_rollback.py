"""What does not stay: everything is as it was, byte for byte, and the message says why."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Venv, wait_for
from .wheels import HOOKS, MANIFEST, PLUGIN, build_hooks, build_model, build_wheel, write_project

pytestmark = pytest.mark.slow  # each test runs pip several times

DEFECT, ENVIRONMENT, USAGE = 3, 1, 2


@pytest.fixture(scope="module")
def shared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """One environment for all cases here: each has to leave it as it found it. Holds version 1.0 of a sound plugin."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(template, folder / "venv", symlinks=True)
    venv = Venv(folder / "venv", folder / "wheels")
    (folder / "home").mkdir()
    venv.pip(str(build_model(folder / "first", files={"acme_model/only_in_1.py": "x = 1\n"})))
    venv.pip(str(build_wheel(folder / "first", "torch", "2.13.0+cpu", {"torch/__init__.py": ""})))
    return venv


@pytest.fixture
def wheels(shared: Venv) -> Path:
    """An empty folder for the wheels of one case."""
    shutil.rmtree(shared.wheels, ignore_errors=True)
    shared.wheels.mkdir()
    return shared.wheels


def imports(statement: str) -> Callable[[Path], Path]:
    return lambda wheels: build_model(wheels, version="2.0", source=f"{statement}\n{PLUGIN}")


CASES = {
    "an import error": (imports("import nothing_of_that_name"), DEFECT, "nothing_of_that_name"),
    "sys.exit at import": (imports("import sys; sys.exit(7)"), DEFECT, "sys.exit"),
    "os._exit at import": (imports("import os; os._exit(0)"), DEFECT, "acme"),
    "an endless loop at import": (imports("while True: pass"), DEFECT, "acme"),
    "a syntax error": (imports("this is no Python"), DEFECT, "invalid syntax"),
    "a factory that raises": (
        lambda wheels: build_model(wheels, version="2.0", source=PLUGIN.replace("return A", "int('x'); return A")),
        DEFECT,
        "invalid literal for int()",
    ),
    "an entry point that the manifest contradicts": (
        lambda wheels: build_model(wheels, version="2.0", factory="create_other"),
        DEFECT,
        "disagrees with its manifest",
    ),
    "a hook that does not exist": (
        lambda wheels: build_hooks(wheels, source=HOOKS.replace("generation", "generatoin")),
        DEFECT,
        "pio_before_generatoin",
    ),
    "no plugin at all": (
        lambda wheels: build_wheel(wheels, "small-library", "1.0", {"small_library.py": ""}),
        DEFECT,
        "small-library 1.0 is not a plugin",
    ),
    "a Python that is not here": (
        lambda wheels: build_model(
            wheels, version="2.0", manifest={"compatibility": {**MANIFEST["compatibility"], "python_version": ">=4"}}
        ),
        ENVIRONMENT,
        "needs Python >=4",
    ),
    "a name that another plugin has": (
        lambda wheels: build_model(wheels, dist="other-model"),
        DEFECT,
        "claimed more than once",
    ),
    "a host that does not start any more": (
        # Run by every Python that starts; pip has to get to its end, so only the host is hit.
        lambda wheels: build_model(
            wheels, version="2.0", files={"zz.pth": "import os, sys; '--json' in sys.orig_argv and os._exit(9)\n"}
        ),
        DEFECT,
        "does not start",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_defective_plugin_leaves_no_trace(case: str, shared: Venv, wheels: Path) -> None:
    build, code, message = CASES[case]
    # By its name: of a file the static check would find some of it, and nothing would be installed at all.
    name, version, *_ = build(wheels).name.split("-")
    before = shared.state()
    result = shared.install("--timeout=5", f"{name}=={version}")
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert f"{version}" in result.stderr.partition("rolled back (")[2].partition("): everything is as it was before")[0]
    # A host that does not start is nothing to keep.
    assert ("--force" in result.stderr) == (case != "a host that does not start any more")
    assert result.stdout == ""
    assert shared.state() == before


def test_a_wheel_that_is_defective_to_look_at_is_not_even_installed(shared: Venv, wheels: Path) -> None:
    build_model(wheels, requires=["nothing-that-exists"], source="this is no Python")
    result = shared.install("./wheels/acme_model-1.0-py3-none-any.whl")
    assert result.returncode == DEFECT
    assert "nothing was installed" in result.stderr
    assert "syntax-error" in result.stderr


def test_the_document_of_a_rollback_says_what_would_have_changed_and_why(shared: Venv, wheels: Path) -> None:
    build_model(wheels, version="2.0", source=f"import nothing_of_that_name\n{PLUGIN}")
    result = shared.install("acme-model", "-U", "--json")
    document = json.loads(result.stdout)
    assert result.returncode == DEFECT
    assert document["changed"] == [{"name": "acme-model", "old": "1.0", "new": "2.0"}]
    assert document["rolled_back"] is True
    assert [fault["code"] for fault in document["faults"]] == ["install-check-failed"]
    assert "nothing_of_that_name" in document["reason"]


def test_a_plugin_cannot_move_torch_and_the_message_names_both_versions(shared: Venv, wheels: Path) -> None:
    build_wheel(wheels, "torch", "1.13.0", {"torch/__init__.py": ""})
    build_model(wheels, version="2.0", requires=["torch<2"])
    before = shared.state()
    result = shared.install("acme-model==2.0")
    assert result.returncode == ENVIRONMENT
    assert "acme-model 2.0 wants torch<2, and torch 2.13.0+cpu is installed" in result.stderr
    assert shared.state() == before


def test_an_upgrade_that_torch_holds_back_is_no_error_and_is_explained(shared: Venv, wheels: Path) -> None:
    build_model(wheels, version="2.0", requires=["torch<2"])
    result = shared.must("install", "acme-model", "--upgrade")
    assert result.stdout.startswith("nothing to do")
    assert "a newer version that does not fit: acme-model 2.0 wants torch<2, and torch 2.13" in result.stderr


def test_a_plugin_cannot_move_torch_through_what_it_needs(shared: Venv, wheels: Path) -> None:
    build_model(wheels, version="2.0", requires=["small-library"])
    build_wheel(wheels, "small-library", "1.0", {"small_library.py": ""}, requires=["torch>=3"])
    build_wheel(wheels, "torch", "3.0", {"torch/__init__.py": ""})
    result = shared.install("acme-model==2.0")
    assert result.returncode == ENVIRONMENT
    assert "small-library 1.0 wants torch>=3, and torch 2.13.0+cpu is installed" in result.stderr


def test_a_plugin_cannot_move_the_host(shared: Venv, wheels: Path) -> None:
    build_model(wheels, version="2.0", requires=["inference-pio>=999"])
    result = shared.install("acme-model==2.0")
    assert result.returncode == ENVIRONMENT
    assert "wants inference-pio>=999" in result.stderr
    assert "pip install -U inference-pio" in result.stderr


def test_a_plugin_that_fits_the_local_version_of_torch_is_installed(venv: Venv) -> None:
    venv.pip(str(build_wheel(venv.wheels, "torch", "2.13.0+cpu", {"torch/__init__.py": ""})))
    build_wheel(venv.wheels, "torch", "2.14.0", {"torch/__init__.py": ""})
    build_model(venv.wheels, requires=["torch>=2"])
    venv.must("install", "acme-model")
    assert venv.versions() == {"acme-model": "1.0", "torch": "2.13.0+cpu"}


def test_torch_that_is_not_there_yet_is_announced(venv: Venv) -> None:
    build_wheel(venv.wheels, "torch", "2.14.0", {"torch/__init__.py": ""})
    build_model(venv.wheels, requires=["torch>=2"])
    result = venv.must("install", "acme-model", "--dry-run")
    assert "this brings torch 2.14.0, which is not installed yet" in result.stderr
    assert "--index-url" in result.stderr


def test_a_plugin_that_would_break_another_is_rolled_back(venv: Venv) -> None:
    for version in ("1.0", "2.0"):
        build_wheel(venv.wheels, "small-library", version, {"small_library.py": f"version = {version!r}\n"})
    # The manifest says it, the metadata does not: pip alone would not notice.
    venv.must("install", str(build_model(venv.wheels, manifest={"dependencies": ["small-library<2"]},
                                         requires=["small-library"])), "small-library<2", "--exact")  # fmt: skip
    before = venv.state()
    build_model(venv.wheels, "rival", requires=["small-library>=2"])
    result = venv.install("rival-model")
    assert result.returncode == ENVIRONMENT, result.stderr
    assert "'acme' (acme-model 1.0), which was ready, would be incompatible" in result.stderr
    assert venv.state() == before


def test_an_editable_plugin_that_is_defective_is_taken_out_again(shared: Venv, wheels: Path) -> None:
    project = write_project(wheels / "project", "edited", source=f"import nothing_of_that_name\n{PLUGIN}")
    before = shared.state()
    result = shared.install("-e", str(project))
    assert result.returncode == DEFECT, result.stderr
    assert shared.state() == before


def test_pip_that_fails_half_way_changes_nothing(shared: Venv, wheels: Path) -> None:
    # Resolves from its metadata, and fails when its files are written: the second one's RECORD is not what it says.
    build_model(wheels, version="2.0", requires=["small-library"], files={"small_library.py": ""})
    library = build_wheel(wheels, "small-library", "1.0", {"../outside.py": ""})
    before = shared.state()
    result = shared.install("acme-model", "--upgrade")
    assert library.exists()
    assert result.returncode == ENVIRONMENT
    assert "pip failed" in result.stderr
    assert "everything is as it was before" in result.stderr
    assert shared.state() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_a_command_that_is_stopped_during_the_check_puts_everything_back(
    number: signal.Signals, shared: Venv, wheels: Path
) -> None:
    mark = wheels.parent / f"stopped-by-{int(number)}"
    build_model(wheels, version="2.0", source=f"open({str(mark)!r}, 'w').close()\nwhile True: pass\n{PLUGIN}")
    before = shared.state()
    process = shared.start("install", "acme-model", "--upgrade")
    wait_for(mark, process)
    process.send_signal(number)
    result = shared.finish(process)
    assert result.returncode == 130, result.stderr
    assert "everything is as it was before" in result.stderr
    assert shared.state() == before


def test_ctrl_c_while_pip_builds_puts_everything_back(shared: Venv, wheels: Path) -> None:
    project = write_project(wheels / "project", "built")
    mark = wheels / "building"
    waiting = f"""
build_as_usual = build_wheel

def build_wheel(*arguments, **more):
    import time
    if not (here / "ran").exists():
        (here / "ran").touch()
        return build_as_usual(*arguments, **more)
    pathlib.Path({str(mark)!r}).touch()
    time.sleep(600)
"""
    backend = project / "backend.py"
    backend.write_text(backend.read_text() + waiting)
    before = shared.state()
    process = shared.start("install", str(project))
    wait_for(mark, process)
    process.send_signal(signal.SIGINT)
    assert shared.finish(process).returncode == 130
    assert shared.state() == before


def test_a_pip_that_is_killed_half_way_puts_everything_back(shared: Venv, wheels: Path) -> None:
    """A build kills pip, the second time it is run: the first is for show. It leaves what pip leaves when it dies."""
    project = write_project(wheels / "project", "killed")
    backend = project / "backend.py"
    killing = f"""
build_as_usual = build_wheel

def build_wheel(*arguments, **more):
    import os, signal
    site, ran = pathlib.Path({str(shared.site)!r}), here / "ran"
    if not ran.exists():
        ran.touch()
        return build_as_usual(*arguments, **more)
    (site / "acme_model").rename(site / "~cme_model")
    (site / "half").mkdir()
    (site / "half" / "way.py").touch()
    (site / "acme_model-1.0.dist-info" / "RECORD").unlink()
    os.kill(os.getppid(), signal.SIGKILL)
"""
    (wheels / "acme").mkdir()
    wheel = build_model(wheels / "acme", version="2.0")
    backend.write_text(backend.read_text() + killing)
    before = shared.state()
    result = shared.install(str(wheel), str(project))
    assert result.returncode == ENVIRONMENT, result.stderr
    assert "pip was ended by signal 9" in result.stderr
    assert shared.state() == before


def test_what_cannot_be_found_says_so(shared: Venv, wheels: Path) -> None:
    assert wheels.is_dir()
    result = shared.install("nothing-of-that-name", "--json")
    assert result.returncode == ENVIRONMENT
    assert "No matching distribution found for nothing-of-that-name" in result.stderr
    assert json.loads(result.stdout)["reason"] in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage(shared: Venv) -> None:
    result = shared.install("./nothing.whl")
    assert result.returncode == USAGE
    assert "there is no file or folder ./nothing.whl" in result.stderr
