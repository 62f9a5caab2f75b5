from __future__ import annotations

import copy
import itertools
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

from inference_pio.discovery import build_index
from inference_pio.gates import Environment
from inference_pio.host import Host
from inference_pio.installed import collect
from inference_pio.memory import GIGABYTE, Memory

# Word for word the manifest of the plugin contract that the project started from.
SEED_MANIFEST = """\
{
  "name": "ModelName",
  "version": "1.0.0",
  "author": "Your Name",
  "description": "Description of your model",
  "plugin_type": "MODEL_COMPONENT",
  "dependencies": [
    "torch",
    "transformers"
  ],
  "compatibility": {
    "torch_version": ">=2.0.0",
    "transformers_version": ">=4.30.0",
    "python_version": ">=3.8",
    "min_memory_gb": 8.0
  },
  "model_architecture": "Architecture Type",
  "model_size": "Model Size",
  "required_memory_gb": 8.0,
  "supported_modalities": ["text"],
  "license": "MIT",
  "tags": ["description", "of", "model"],
  "model_family": "Model Family",
  "num_parameters": 0,
  "entry_point": {
    "module": ".plugin",
    "class": "ModelName_Plugin",
    "factory_function": "create_model_name_plugin"
  }
}
"""

PLUGIN_SOURCE = """\
import os, pathlib
pathlib.Path(os.environ["SENTINELS"], __name__).touch()

class ModelName_Plugin:
    manifest = {"any": "thing"}
    loaded = False
    def supports_config(self, config): return False
    def create_config(self, **overrides): raise NotImplementedError
    def load_model(self, options=None, hooks=None): self.loaded = True
    def infer(self, inputs): return inputs
    def cleanup(self): self.loaded = False
    def __enter__(self): return self
    def __exit__(self, *error): self.cleanup()

def create_model_name_plugin():
    return ModelName_Plugin()
"""


@dataclass
class FakeSite:
    """A folder that looks like site-packages, filled with distributions that no installer has seen.

    Every module of a plugin leaves a file in ``sentinels`` when it is executed.
    """

    path: Path
    sentinels: Path
    environment: dict[str, str] = field(default_factory=dict)

    def add_model(
        self,
        name: str,
        *,
        dist: str | None = None,
        version: str = "1.0",
        package: str | None = None,
        manifest: dict[str, Any] | str | bytes | None = None,
        entry_point: str | None = None,
        source: str = PLUGIN_SOURCE,
        files: bool = True,
    ) -> Path:
        """Add a model plugin and return the folder of its package; ``package`` is dotted."""
        package = package or f"inference_pio.models.{name}"
        folder = self.path.joinpath(*package.split("."))
        if files:
            folder.mkdir(parents=True, exist_ok=True)
            marker = 'import os, pathlib\npathlib.Path(os.environ["SENTINELS"], __name__).touch()\n'
            (folder / "__init__.py").write_text(marker)
            (folder / "plugin.py").write_text(textwrap.dedent(source))
            if manifest is not None:
                write_manifest(folder / "plugin_manifest.json", manifest)
        value = entry_point or f"{package}.plugin:create_model_name_plugin"
        self.add_dist(dist or f"inference-pio-{name}", version, f"[inference_pio.models]\n{name} = {value}\n")
        return folder

    def add_hooks(self, name: str, source: str, *, dist: str | None = None) -> None:
        """Add a plugin that brings hooks only, as a top-level module."""
        module = f"hooks_of_{name}"
        (self.path / f"{module}.py").write_text(textwrap.dedent(source))
        self.add_dist(dist or f"acme-{name}", "1.0", f"[inference_pio.hooks]\n{name} = {module}\n")

    def add_dist(self, dist: str, version: str, entry_points: str | None = None, metadata: str = "") -> Path:
        """Add a .dist-info and return it."""
        info = self.path / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n{metadata}")
        if entry_points is not None:
            (info / "entry_points.txt").write_text(entry_points)
        return info

    def run(self, code: str, *, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run code in a fresh interpreter that finds this site first."""
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={
                **os.environ,
                "PYTHONPATH": str(self.path),
                "SENTINELS": str(self.sentinels),
                **self.environment,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert not check or result.returncode == 0, result.stderr
        return result

    @property
    def executed(self) -> list[str]:
        """Names of the plugin modules that have been executed."""
        return sorted(path.name for path in self.sentinels.iterdir())


def write_manifest(path: Path, manifest: dict[str, Any] | str | bytes) -> None:
    content = json.dumps(manifest) if isinstance(manifest, dict) else manifest
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def seed_manifest() -> str:
    return SEED_MANIFEST


@pytest.fixture
def manifest_data() -> dict[str, Any]:
    """The seed's manifest without needs, so that it fits every machine; a fresh copy."""
    data = json.loads(SEED_MANIFEST)
    data["dependencies"] = []
    data["compatibility"]["min_memory_gb"] = data["required_memory_gb"] = 0
    for name in ("torch_version", "transformers_version", "python_version"):
        data["compatibility"][name] = ""
    return copy.deepcopy(data)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSite:
    made = FakeSite(tmp_path / "site", tmp_path / "sentinels")
    made.path.mkdir()
    made.sentinels.mkdir()
    monkeypatch.setenv("SENTINELS", str(made.sentinels))
    return made


@pytest.fixture
def importable(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
    """The site, importable in this process; what is imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(site.path))
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if str(site.path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


class FakeVersions:
    def __init__(self, versions: dict[str, str], requirements: dict[str, list[str]]) -> None:
        self._versions = versions
        self._requirements = requirements

    def version(self, name: str) -> str | None:
        return self._versions.get(name)

    def requirements(self, name: str) -> list[str]:
        return self._requirements.get(name, [])


@pytest.fixture
def environment_with() -> Callable[..., Environment]:
    """Build what plugins are gated against: keyword arguments are installed distributions."""

    def build(
        *,
        python: str = "3.11.4",
        host_api: str = "1.0",
        total_gb: float | None = 16,
        available_gb: float | None = 12,
        requirements: dict[str, list[str]] | None = None,
        **versions: str,
    ) -> Environment:
        def size(gigabytes: float | None) -> int | None:
            return None if gigabytes is None else int(gigabytes * GIGABYTE)

        return Environment(
            FakeVersions(versions, requirements or {}),
            python=python,
            host_api=host_api,
            measure=lambda: Memory(size(total_gb), size(available_gb)),
        )

    return build


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests decide themselves which of our variables are set; what the host remembers, it remembers for one test."""
    for name in [name for name in os.environ if name.startswith("INFERENCE_PIO_")]:
        monkeypatch.delenv(name)
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("INFERENCE_PIO_STATE_DIR", str(base / "state" / str(next(_numbers))))
    # Runs of pytest that a test starts would share a folder with all others, and clean it up under each other's hands.
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(base))


HostOf = Callable[..., Host]


@pytest.fixture
def host(importable: FakeSite, environment_with: Callable[..., Environment]) -> HostOf:
    """Build a host that sees the fake site only."""

    def build(environment: Environment | None = None) -> Host:
        search_path = [str(importable.path)]
        installed = collect(importlib_metadata.distributions(path=search_path))
        return Host(build_index(installed, environment=environment or environment_with(), search_path=search_path))

    return build


@pytest.fixture
def add(importable: FakeSite, manifest_data: dict[str, Any]) -> Callable[..., Path]:
    """Add a model plugin with a package of its own, so that tests do not share modules."""

    def build(name: str = "qwen3", **options: Any) -> Path:
        options.setdefault("manifest", manifest_data)
        return importable.add_model(name, package=f"acme_{name}", dist=f"acme-{name}", **options)

    return build
