"""What is removed, what is not, and what is said of it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from .conftest import Venv
from .wheels import build_hooks, build_model, build_wheel

pytestmark = pytest.mark.slow  # each test runs pip several times

ENVIRONMENT, USAGE = 1, 2


@pytest.fixture
def equipped(venv: Venv) -> Venv:
    """Two models, one of which needs a third that needs nothing, and a hook plugin."""
    venv.pip(str(build_model(venv.wheels, "base")))
    venv.pip(str(build_model(venv.wheels, "upper", requires=["middle"])))
    venv.pip(str(build_wheel(venv.wheels, "middle", "1.0", {"middle.py": ""}, requires=["base-model"])))
    venv.pip(str(build_hooks(venv.wheels)))
    return venv


def test_several_plugins_go_at_once_by_any_spelling_of_their_names(equipped: Venv) -> None:
    result = equipped.must("uninstall", "Upper_Model", "ECHO")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["REMOVED", "echo-hooks", "upper-model"]
    assert equipped.plugins() == {"base": "ready"}


def test_the_document_says_what_was_removed(equipped: Venv) -> None:
    result = equipped.must("uninstall", "echo", "--json")
    (removed,) = json.loads(result.stdout)["removed"]
    assert (removed["name"], removed["version"], removed["plugins"]) == ("echo-hooks", "1.0", ["echo"])
    assert removed["files"] > 4
    assert not [path for path in equipped.site.rglob("*") if path.name.startswith("echo_hooks")]


def test_nothing_is_removed_when_one_name_is_unknown(equipped: Venv) -> None:
    before = equipped.state()
    result = equipped.run("uninstall", "echo", "uper")
    assert result.returncode == USAGE
    assert "no installed plugin is called 'uper'. Did you mean 'upper'" in result.stderr
    assert equipped.state() == before


def test_what_another_plugin_needs_stays_unless_it_is_forced_or_goes_too(equipped: Venv) -> None:
    refused = equipped.run("uninstall", "base")
    assert refused.returncode == ENVIRONMENT
    assert "base-model is needed by upper-model" in refused.stderr
    assert json.loads(equipped.run("uninstall", "base", "--json").stdout)["removed"] == []
    assert equipped.plugins() == {"base": "ready", "upper": "ready", "echo": "ready"}
    equipped.must("uninstall", "base", "--force")
    assert equipped.plugins() == {"upper": "ready", "echo": "ready"}


def test_what_goes_together_needs_no_force(equipped: Venv) -> None:
    equipped.must("uninstall", "base", "upper")
    assert equipped.plugins() == {"echo": "ready"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inference-pio", "the host itself"),
        ("Inference_PIO", "the host itself"),
        ("torch", "a library, not a plugin"),
        ("middle", "no installed plugin is called 'middle'"),
    ],
)
def test_the_host_and_libraries_are_not_for_this_command(name: str, message: str, equipped: Venv) -> None:
    result = equipped.run("uninstall", name)
    assert result.returncode == USAGE
    assert message in result.stderr


def test_a_defective_plugin_can_be_uninstalled(venv: Venv) -> None:
    venv.pip(str(build_model(venv.wheels, factory="create_other")))
    assert venv.plugins() == {"acme": "invalid"}
    venv.must("uninstall", "acme")
    assert venv.plugins() == {}


def test_a_name_of_two_distributions_has_to_be_the_distributions(venv: Venv) -> None:
    venv.pip(str(build_model(venv.wheels)), str(build_model(venv.wheels, dist="rival-model")))
    result = venv.run("uninstall", "acme")
    assert result.returncode == USAGE
    assert "plugins of acme-model and of rival-model" in result.stderr
    venv.must("uninstall", "rival-model")
    assert venv.plugins() == {"acme": "ready"}


def test_a_plugin_outside_of_the_environment_is_not_claimed_to_be_gone(venv: Venv) -> None:
    outside = venv.wheels.parent / "outside"
    venv.pip(f"--target={outside}", str(build_model(venv.wheels)))
    result = venv.run("uninstall", "acme", PYTHONPATH=str(outside))
    assert result.returncode == ENVIRONMENT
    assert f"pip left acme-model in {outside}" in result.stderr
    assert (outside / "acme_model").is_dir()


@pytest.mark.parametrize(("answer", "is_removed"), [("y", True), ("n", False)])
def test_on_a_terminal_it_asks(answer: str, is_removed: bool, equipped: Venv) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [equipped.python, "-m", "inference_pio", "uninstall", "echo"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=equipped.environment(), text=True,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    while "Remove?" not in shown:
        shown += os.read(ours, 1000).decode()
    os.write(ours, f"{answer}\n".encode())
    process.communicate(timeout=120)
    os.close(ours)
    assert "echo-hooks" in shown
    assert (process.returncode == 0) == is_removed
    assert ("echo" in equipped.plugins()) != is_removed


def test_downloaded_weights_stay_and_are_named(venv: Venv, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(b"x" * 1234)
    weights = [{"id": "tiny", "source": "file:tiny", "format": "gguf", "license": "MIT", "default": True}]
    venv.pip(str(build_model(venv.wheels, manifest={"weights": weights})))
    keeper = """
from inference_pio import hookimpl
@hookimpl
def pio_weights_present(entry, cache_dir):
    return True
@hookimpl
def pio_resolve_weights(request):
    return request.cache_dir / "tiny.gguf"
"""
    venv.pip(str(build_hooks(venv.wheels, "keeper", source=keeper)))
    result = venv.run("uninstall", "acme", INFERENCE_PIO_CACHE_DIR=str(cache))
    assert result.returncode == 0, result.stderr
    assert f"the weights 'tiny' of acme stay: 1.2 kB in {cache / 'tiny.gguf'}" in result.stderr
    assert (cache / "tiny.gguf").exists()
