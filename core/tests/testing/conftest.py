"""Installs a small plugin into a fake site, good or spoilt on purpose, and runs the conformance kit on it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..conftest import FakeSite

GOOD_PLUGIN = """\
from dataclasses import dataclass

from inference_pio import BaseConfig


@dataclass
class FineConfig(BaseConfig):
    hidden_size: int = 8


class ModelName_Plugin:
    name = ""
    manifest = {"any": "thing"}

    def __init__(self):
        self.loaded = []

    def supports_config(self, config): return config.get("model_type") == "fine"
    def create_config(self, **overrides): return FineConfig.from_dict(overrides)
    def load_model(self, options=None, hooks=None): self.loaded.append(options)
    def infer(self, inputs): return inputs
    def cleanup(self): self.loaded.clear()
    def __enter__(self): return self
    def __exit__(self, *error): self.cleanup()


def create_model_name_plugin():
    return ModelName_Plugin()
"""

GOOD_TESTS = """\
import pytest
from inference_pio.testing import ModelConformance

class TestConformance(ModelConformance):
    plugin_name = "fine"
"""


@dataclasses.dataclass
class Run:
    """What one run of pytest left behind."""

    code: int
    output: str
    report: dict[str, Any]

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome of every test by its bare name."""
        parts = [*self.report["levels"].values(), self.report["other"]]
        return {test["name"].rpartition("::")[2]: test["outcome"] for part in parts for test in part["tests"]}

    @property
    def level(self) -> str | None:
        level: str | None = self.report["level"]
        return level


@dataclasses.dataclass
class Kit:
    """A site with one plugin called ``fine``, and its test file."""

    site: FakeSite
    manifest: dict[str, Any]
    folder: Path

    def install(self, source: str = GOOD_PLUGIN, **manifest: Any) -> Path:
        """Install the plugin and return the folder of its package."""
        data = {**self.manifest, **manifest}
        return self.site.add_model("fine", package="acme_fine", dist="acme-fine", source=source, manifest=data)

    def install_hooks(self, source: str) -> None:
        self.site.add_hooks("fine", source)

    def run(self, tests: str = GOOD_TESTS, *args: str, check_report: bool = True) -> Run:
        """Run pytest on a test file, with a report."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "test_conformance.py").write_text(textwrap.dedent(tests))
        path = self.folder.parent / "report.json"
        path.unlink(missing_ok=True)
        own = [
            "-p",
            "inference_pio.testing.plugin",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            "-W",
            "error",
            "-vv",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *own, "--strict-markers", str(self.folder), *args,
             f"--conformance-report={path}"],
            env={
                **os.environ,
                "PYTHONPATH": str(self.site.path),
                "SENTINELS": str(self.site.sentinels),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            timeout=120,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert path.exists() or not check_report, output
        return Run(done.returncode, output, json.loads(path.read_text()) if path.exists() else {})


@pytest.fixture
def kit(site: FakeSite, manifest_data: dict[str, Any], tmp_path: Path) -> Kit:
    return Kit(site, manifest_data, tmp_path / "plugin_tests")


@pytest.fixture
def spoilt(kit: Kit) -> Callable[..., Run]:
    """Run one test of the kit on the plugin with some lines before its code, and some others in place of its own."""

    def run(test: str, before: str = "", *, replace: tuple[str, str] = ("", ""), attributes: str = "") -> Run:
        assert replace[0] in GOOD_PLUGIN
        kit.install(textwrap.dedent(before) + "\n" + GOOD_PLUGIN.replace(*replace))
        done = kit.run(f"{GOOD_TESTS}    {attributes}\n", "-k", test)
        assert list(done.outcomes) == [test], "the test that should fail was not run"
        return done

    return run
