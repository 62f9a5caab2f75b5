"""A stranger's model that owes us nothing: built with setuptools, installed from its wheel, used, removed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import HERE, Environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acme")
    # A copy: setuptools leaves build/ and egg-info in the source folder.
    project = shutil.copytree(HERE / "acme_project", folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return environment.build(project, folder / "wheels")


@pytest.fixture(scope="module")
def installed(environment: Environment, wheel: Path) -> Iterator[Environment]:
    """The environment with the model in it, for as long as the tests of this file run."""
    environment.pip("install", "--quiet", "--no-deps", str(wheel))
    yield environment
    environment.pip("uninstall", "--quiet", "--yes", "acme-llama")
    assert [model["name"] for model in environment.json("list")["models"]] == []
    gone = environment.run("-m", "inference_pio", "run", "acme-llama", "one two")
    assert gone.returncode == 2, "gone with its distribution"
    assert environment.run("-m", "inference_pio", "mirror", "abc").returncode == 2


def test_the_wheel_is_setuptools_and_has_a_package_of_its_own(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert "setuptools" in archive.read(next(name for name in names if name.endswith("/WHEEL"))).decode()
    assert {name.partition("/")[0] for name in names} == {"acme_llama", "acme_llama-2.1.0.dist-info"}
    assert "acme_llama/plugin_manifest.json" in names


def test_the_wheel_passes_the_check_before_it_is_installed(environment: Environment, wheel: Path) -> None:
    report = environment.json("check", str(wheel), "--import")
    assert [finding for finding in report["findings"] if finding["severity"] == "error"] == []


def test_it_is_listed_ready_and_described(installed: Environment) -> None:
    listed = installed.json("list", "--all")
    (model,) = listed["models"]
    assert (model["name"], model["state"], model["dist"], model["version"]) == (
        "acme-llama",
        "ready",
        "acme-llama",
        "2.1.0",
    )
    assert [hooks["name"] for hooks in listed["hooks"]] == ["acme-llama"]
    info = installed.json("info", "acme-llama")
    assert info["description"] == "A model that says things backwards"
    assert "A model that says things backwards" in installed.host("list")


def test_the_installed_plugin_passes_the_check(installed: Environment) -> None:
    report = installed.json("check", "acme-llama", "--import")
    assert [finding for finding in report["findings"] if finding["severity"] == "error"] == []


def test_it_answers_on_the_command_line(installed: Environment) -> None:
    assert installed.host("run", "acme_LLAMA", "one two three") == "three two one"
    answer = installed.json("run", "acme-llama", "one two three", "--max-new-tokens", "2")
    assert (answer["model"], answer["text"], answer["finish_reason"]) == ("acme-llama", "three two", "stop")
    assert installed.host("chat", "acme-llama", "--message", "how are you") == "you are how\n"


def test_it_answers_in_python(installed: Environment) -> None:
    code = """
import json, sys
import inference_pio
with inference_pio.load("acme-llama", config_overrides={"shout": True}) as model:
    streamed = [chunk.text for chunk in model.stream("one two")]
    chatted = model.chat([{"role": "user", "content": "three four"}]).text
    config = model.create_config(shout=True).to_dict()
    supported = [model.supports_config({"model_type": name}) for name in ("acme-llama", "llama")]
    name, inferred = model.name, model.infer([1, 2, 3])
try:
    model.generate("after cleanup")
except inference_pio.InferencePioError as error:
    closed = type(error).__name__
heavy = sorted({"torch", "transformers", "numpy", "inference_pio.runtime"} & set(sys.modules))
print(json.dumps([streamed, chatted, config["shout"], supported, name, inferred, closed, heavy]))
"""
    assert json.loads(installed.python(code)) == [
        ["TWO ONE"],
        "FOUR THREE",
        True,
        [True, False],
        "acme-llama",
        [3, 2, 1],
        "NotLoadedError",
        [],
    ]


def test_its_hooks_are_called_those_of_the_module_and_those_of_the_model(
    installed: Environment, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.txt"
    more = {"ACME_ANSWERS": str(answers), "ACME_SHOUT": "1"}
    assert installed.host("run", "acme-llama", "one two", **more) == "TWO ONE"
    assert answers.read_text() == "acme-llama: TWO ONE\n"
    assert installed.host("mirror", "abc") == "cba\n"
    assert "mirror" in installed.host("--help")
    code = """
from inference_pio import Host
host = Host()
with host.load("acme-llama") as model:
    model.generate("one")
    print([check().message for check in host.hooks.doctor_checks()])
"""
    assert installed.python(code) == "['1 answers so far']\n"


def test_switched_off_it_is_neither_run_nor_imported(installed: Environment) -> None:
    off = {"INFERENCE_PIO_DISABLE": "acme-llama"}
    assert installed.json("list", **off)["models"][0]["state"] == "disabled"
    assert installed.run("-m", "inference_pio", "run", "acme-llama", "one", **off).returncode == 1
    assert installed.run("-m", "inference_pio", "mirror", "abc", **off).returncode == 2
