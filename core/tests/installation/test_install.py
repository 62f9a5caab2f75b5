"""What is installed and stays."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from .conftest import Venv, wait_for
from .wheels import PLUGIN, build_hooks, build_model, build_wheel, write_project

pytestmark = pytest.mark.slow  # each test runs pip several times


def test_a_wheel_is_installed_checked_and_ready(venv: Venv) -> None:
    result = venv.install(str(build_model(venv.wheels)))
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["CHANGED", "VERSION", "PLUGINS", "acme-model", "1.0", "(new)", "acme:", "ready"]
    assert venv.plugins() == {"acme": "ready"}


def test_a_short_name_stands_for_our_distribution_and_brings_what_it_needs(venv: Venv) -> None:
    build_model(venv.wheels, dist="inference-pio-acme", requires=["small-library>=1"])
    build_wheel(venv.wheels, "small-library", "1.2", {"small_library.py": ""})
    result = venv.install("acme", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["changed"] == [
        {"name": "inference-pio-acme", "old": None, "new": "1.0"},
        {"name": "small-library", "old": None, "new": "1.2"},
    ]
    assert [(p["name"], p["kind"], p["state"]) for p in document["plugins"]] == [("acme", "model", "ready")]
    assert (document["rolled_back"], document["reason"], document["faults"]) == (False, None, [])


def test_an_upgrade_says_old_and_new_and_a_second_one_finds_nothing_to_do(venv: Venv) -> None:
    venv.must("install", str(build_model(venv.wheels, version="1.0")))
    build_model(venv.wheels, version="2.0")
    assert "1.0 -> 2.0" in venv.must("install", "acme", "--upgrade").stdout  # acme is acme-model's plugin
    again = venv.must("install", "acme-model").stdout
    assert again == "nothing to do: all of it is installed already\nacme-model 2.0  acme: ready\n"


def test_a_folder_and_an_editable_folder_are_installed(venv: Venv) -> None:
    built = write_project(venv.wheels.parent / "built", "built")
    edited = write_project(venv.wheels.parent / "edited", "edited")
    venv.must("install", str(built), "-e", str(edited))
    assert venv.plugins() == {"built": "ready", "edited": "ready"}
    assert (venv.site / "built_model" / "plugin.py").exists()
    assert not (venv.site / "edited_model").exists()


def test_a_hook_plugin_is_installed(venv: Venv) -> None:
    venv.must("install", str(build_hooks(venv.wheels)))
    assert venv.plugins() == {"echo": "ready"}


def test_a_dry_run_says_what_would_change_and_changes_nothing(venv: Venv) -> None:
    build_model(venv.wheels, requires=["small-library"])
    build_wheel(venv.wheels, "small-library", "1.2", {"small_library.py": ""})
    before = venv.state()
    result = venv.must("install", "acme-model", "--dry-run")
    table = "WOULD CHANGE VERSION acme-model 1.0 (new) small-library 1.2 (new)"
    assert result.stdout.split() == table.split()
    assert venv.state() == before


def test_pip_writes_nothing_to_standard_output(venv: Venv) -> None:
    document = venv.json("install", str(build_model(venv.wheels)))
    assert document["dry_run"] is False


def test_a_disabled_plugin_is_installed_never_imported_and_said_to_be_off(venv: Venv) -> None:
    mark = venv.wheels.parent / "imported"
    source = f"open({str(mark)!r}, 'w').close()\n{PLUGIN}"
    wheel = str(build_model(venv.wheels, source=source))
    result = venv.install(wheel, INFERENCE_PIO_DISABLE="acme")
    assert result.returncode == 0, result.stderr
    assert "acme: disabled" in result.stdout
    assert "is disabled by INFERENCE_PIO_DISABLE" in result.stderr
    assert not mark.exists()


def test_force_keeps_a_plugin_that_is_not_ready_and_says_why_it_is_not(venv: Venv) -> None:
    wheel = build_model(venv.wheels, manifest={"required_memory_gb": 10**6})
    before = venv.state()
    refused = venv.install(str(wheel))
    assert refused.returncode == 1
    assert "needs 1e+06 GB of memory available" in refused.stderr
    assert "--force keeps it all the same" in refused.stderr
    assert venv.state() == before
    kept = venv.install(str(wheel), "--force")
    assert kept.returncode == 0, kept.stderr
    assert "kept because of --force" in kept.stderr
    assert venv.plugins() == {"acme": "incompatible"}


def test_a_library_may_come_with_the_plugin_that_needs_it(venv: Venv) -> None:
    library = build_wheel(venv.wheels, "small-library", "1.2", {"small_library.py": ""})
    plugin = build_model(venv.wheels, requires=["small-library"])
    venv.must("install", str(library), str(plugin))
    assert venv.versions() == {"acme-model": "1.0", "small-library": "1.2"}


def test_two_installs_at_once_take_turns(venv: Venv) -> None:
    mark = venv.wheels.parent / "checking"
    go = venv.wheels.parent / "go"
    slow = (
        f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n{PLUGIN}"
    )
    build_model(venv.wheels, "first", source=slow)
    build_model(venv.wheels, "second")
    first = venv.start("install", "first-model")
    wait_for(mark, first)
    second = venv.start("install", "second-model")
    assert second.stderr is not None
    assert "another install or uninstall is going on" in second.stderr.readline()
    assert venv.versions() == {"first-model": "1.0"}
    go.touch()
    assert venv.finish(first).returncode == 0
    assert venv.finish(second).returncode == 0
    assert venv.plugins() == {"first": "ready", "second": "ready"}


def test_on_a_terminal_pips_progress_is_shown_and_standard_output_is_the_result(venv: Venv) -> None:
    shown, theirs = pty.openpty()
    wheel = str(build_model(venv.wheels))
    process = subprocess.Popen(
        [venv.python, "-m", "inference_pio", "install", "--no-index", wheel],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=venv.environment(TERM="xterm"), text=True,
    )  # fmt: skip
    os.close(theirs)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    assert "Successfully installed acme-model-1.0" in os.read(shown, 100_000).decode()
    os.close(shown)
    assert output.startswith("CHANGED")
    assert "Successfully" not in output
