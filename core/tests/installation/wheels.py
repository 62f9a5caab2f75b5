"""Wheels and project folders of plugins, written by hand: no build tool, no network."""

from __future__ import annotations

import base64
import hashlib
import json
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MANIFEST: dict[str, Any] = {
    "version": "1.0",
    "author": "Acme",
    "description": "A model for tests",
    "plugin_type": "MODEL_COMPONENT",
    "dependencies": [],
    "compatibility": {"torch_version": "", "transformers_version": "", "python_version": "", "min_memory_gb": 0},
    "model_architecture": "None",
    "model_size": "0",
    "required_memory_gb": 0,
    "supported_modalities": ["text"],
    "license": "MIT",
    "tags": [],
    "model_family": "Acme",
    "num_parameters": 0,
    "host_api": ">=1.0,<2",
    "entry_point": {"module": ".plugin", "class": "AcmePlugin", "factory_function": "create_plugin"},
}

PLUGIN = """\
class AcmePlugin:
    manifest = {"any": "thing"}
    def supports_config(self, config): return False
    def create_config(self, **overrides): raise NotImplementedError
    def load_model(self, options=None, hooks=None): pass
    def infer(self, inputs): return inputs
    def cleanup(self): pass
    def __enter__(self): return self
    def __exit__(self, *error): self.cleanup()

def create_plugin():
    return AcmePlugin()
"""

HOOKS = """\
from inference_pio import hookimpl

@hookimpl
def pio_before_generation(request):
    pass
"""


def build_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    entry_points: str = "",
    requires: Sequence[str] = (),
) -> Path:
    """Write a wheel; ``RECORD`` has true hashes, so that pip and ``verify`` are content."""
    safe = name.replace("-", "_")
    info = f"{safe}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
    content = {
        **files,
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {requirement}\n" for requirement in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points
    content[f"{info}/RECORD"] = "".join(_row(path, text) for path, text in content.items()) + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{safe}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def _row(path: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(text.encode())}\n"


def model_files(package: str, version: str, *, source: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a model plugin's package."""
    data = {"name": package, **MANIFEST, "version": version, **manifest}
    return {
        f"{package}/__init__.py": f'"""Version {version}."""\n',
        f"{package}/plugin.py": textwrap.dedent(source),
        f"{package}/plugin_manifest.json": json.dumps(data),
    }


def build_model(
    folder: Path,
    name: str = "acme",
    version: str = "1.0",
    *,
    dist: str | None = None,
    source: str = PLUGIN,
    factory: str = "create_plugin",
    manifest: Mapping[str, Any] | None = None,
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write a wheel with one model plugin in a package of its own."""
    dist = dist or f"{name}-model"
    package = dist.replace("-", "_")
    content = model_files(package, version, source=source, manifest=manifest or {})
    entry_points = f"[inference_pio.models]\n{name} = {package}.plugin:{factory}\n"
    requires = ["inference-pio>=0.1,<2", *requires]
    return build_wheel(
        folder, dist, version, {**content, **(files or {})}, entry_points=entry_points, requires=requires
    )


def build_hooks(folder: Path, name: str = "echo", *, source: str = HOOKS) -> Path:
    """Write a wheel with one hook plugin, a single module."""
    module = f"{name.replace('-', '_')}_hooks"
    return build_wheel(
        folder,
        f"{name}-hooks",
        "1.0",
        {f"{module}.py": textwrap.dedent(source)},
        entry_points=f"[inference_pio.hooks]\n{name} = {module}\n",
        requires=["inference-pio>=0.1,<2"],
    )


PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "{dist}"
version = "{version}"
license = {{ text = "MIT" }}
dependencies = ["inference-pio>=0.1,<2"]

[project.entry-points."inference_pio.models"]
{name} = "{package}.plugin:create_plugin"
"""

# A build backend of a page, beside the project, so that building needs nothing from an index.
BACKEND = """\
import pathlib, sys
here = pathlib.Path(__file__).parent
sys.path.insert(0, {tests!r})
import wheels

ARGUMENTS = dict(entry_points={entry_points!r}, requires=["inference-pio>=0.1,<2"])

def build_wheel(folder, config_settings=None, metadata_directory=None):
    package = here / "src" / {package!r}
    files = {{f"{package}/{{path.name}}": path.read_text() for path in sorted(package.iterdir()) if path.is_file()}}
    return wheels.build_wheel(pathlib.Path(folder), {dist!r}, {version!r}, files, **ARGUMENTS).name

def build_editable(folder, config_settings=None, metadata_directory=None):
    files = {{"__editable__.{package}.pth": str(here / "src") + "\\n"}}
    return wheels.build_wheel(pathlib.Path(folder), {dist!r}, {version!r}, files, **ARGUMENTS).name
"""


def write_project(folder: Path, name: str = "acme", version: str = "1.0", *, source: str = PLUGIN) -> Path:
    """Write a source folder that pip can build and install, also editable."""
    dist = f"{name}-model"
    package = dist.replace("-", "_")
    for path, text in model_files(package, version, source=source, manifest={}).items():
        target = folder / "src" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    facts = {"dist": dist, "package": package, "version": version, "name": name}
    (folder / "pyproject.toml").write_text(PYPROJECT.format(**facts))
    entry_points = f"[inference_pio.models]\n{name} = {package}.plugin:create_plugin\n"
    backend = BACKEND.format(tests=str(Path(__file__).parent), entry_points=entry_points, **facts)
    (folder / "backend.py").write_text(backend)
    return folder
