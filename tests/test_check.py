"""Our own plugins pass the check that we offer to everybody else, as folders and as built wheels, without a warning."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference_pio.checking import check_target

from .layout import MODELS, Dist

IS_OFFERED = any(point.name == "inference-pio" for point in importlib.metadata.entry_points(group="hatch"))
CAN_BUILD = importlib.util.find_spec("hatchling") is not None and IS_OFFERED


def test_a_plugins_folder_passes(plugin: Dist) -> None:
    assert check_target(str(plugin.folder)).findings == ()


def test_a_plugins_wheel_passes(plugin: Dist, wheels: dict[str, Path]) -> None:
    assert check_target(str(wheels[plugin.word])).findings == ()


@pytest.mark.skipif(not CAN_BUILD, reason="needs hatchling, and a host that was installed since it offers the hook")
def test_hatchling_builds_a_sound_plugin_and_no_broken_one(tmp_path: Path) -> None:
    model = MODELS[0]
    project = tmp_path / "project"
    shutil.copytree(model.folder, project, ignore=shutil.ignore_patterns("__pycache__"))
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.hatch.build.hooks.inference-pio]\nstrict = true\n")
    # Without isolation: what pip would fetch for the build is the host that is not published yet.
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*pip, str(project)], check=True, capture_output=True)
    assert len(list(tmp_path.glob("*.whl"))) == 1
    plugin = project / model.package.relative_to(model.folder) / "plugin.py"
    plugin.write_text(plugin.read_text(encoding="utf-8").replace("_plugin() ->", "_plugin(size) ->"), encoding="utf-8")
    done = subprocess.run([*pip, str(project)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "error: factory-needs-arguments: src/inference_pio" in done.stdout + done.stderr
