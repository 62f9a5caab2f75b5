"""The hatchling hook without hatchling: what stops a build, what is shown, and what its options may be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference_pio.build_hook import BuildCheck

PLUGIN = "inference_pio/models/tiny/plugin.py"


class AbortedError(Exception):
    """In place of hatchling's ``SystemExit``."""


class FakeApp:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def abort(self, message: str) -> None:
        raise AbortedError(message)

    def display_warning(self, message: str) -> None:
        self.warnings.append(message)


def hook(root: Path, target: str = "wheel", **config: Any) -> BuildCheck:
    made = BuildCheck()
    made.root, made.config, made.target_name, made.app = str(root), config, target, FakeApp()
    return made


def heavy(model: Any) -> Any:
    model.edit(PLUGIN, '"""A plugin."""\n', '"""A plugin."""\nimport torch\n')
    return model


def test_a_sound_project_is_built(model: Any, tmp_path: Path) -> None:
    made = hook(model.write_project(tmp_path), strict=True)
    made.initialize("standard", {})
    wheel = model.write_wheel(tmp_path)
    made.finalize("standard", {}, str(wheel))
    assert wheel.exists()
    assert made.app.warnings == []


def test_a_project_with_an_error_is_not_built(model: Any, tmp_path: Path) -> None:
    model.edit(PLUGIN, "plugin():", "plugin(size):")
    with pytest.raises(AbortedError, match=r"factory-needs-arguments: src/.*plugin.py:16: .*size\. Give every"):
        hook(model.write_project(tmp_path)).initialize("editable", {})


def test_a_wheel_with_an_error_is_deleted(model: Any, tmp_path: Path) -> None:
    model.extra["inference_pio/__init__.py"] = ""
    wheel = model.write_wheel(tmp_path)
    with pytest.raises(AbortedError, match="stray-init"):
        hook(tmp_path).finalize("standard", {}, str(wheel))
    assert not wheel.exists()


@pytest.mark.parametrize(("target", "version"), [("sdist", "standard"), ("wheel", "editable")])
def test_what_is_no_finished_wheel_is_not_checked_as_one(target: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "artifact").touch()
    hook(tmp_path, target).finalize(version, {}, str(tmp_path / "artifact"))
    assert (tmp_path / "artifact").exists()


def test_a_warning_is_shown_and_stops_the_build_only_if_the_author_says_so(model: Any, tmp_path: Path) -> None:
    made = hook(heavy(model).write_project(tmp_path))
    made.initialize("standard", {})
    assert "heavy-import" in made.app.warnings[0]
    with pytest.raises(AbortedError, match="heavy-import"):
        hook(tmp_path, strict=True).initialize("standard", {})
    silenced = hook(tmp_path, strict=True, ignore=["heavy-import"])
    silenced.initialize("standard", {})
    assert silenced.app.warnings == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"ignore": ["heavy-imports"]}, "did you mean 'heavy-import'"),
        ({"ignore": "heavy-import"}, "ignore a list of codes"),
        ({"strict": "yes"}, "strict is true or false"),
    ],
)
def test_options_that_mean_nothing_stop_the_build(config: Any, message: str, model: Any, tmp_path: Path) -> None:
    with pytest.raises(AbortedError, match=message):
        hook(model.write_project(tmp_path), **config).initialize("standard", {})


def test_builds_of_other_projects_do_not_pay_for_the_hook() -> None:
    code = (
        "import sys; import inference_pio.build_hook;"
        "print({'msgspec', 'importlib_metadata', 'click', 'hatchling'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
