"""A small plugin that has nothing wrong with it, written as a project or as a wheel; tests break it in one way each."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from inference_pio.checking import CheckReport, check_target
from inference_pio.checking.structure import FOLDERS

PACKAGE = "inference_pio/models/tiny"

PLUGIN_SOURCE = '''\
"""A plugin."""

from inference_pio import ModelPlugin


class TinyPlugin(ModelPlugin):
    """A model."""

    def supports_config(self, config): return False
    def create_config(self, **overrides): raise NotImplementedError
    def load_model(self, options=None, hooks=None): pass
    def infer(self, inputs): return inputs
    def cleanup(self): pass


def create_tiny_plugin():
    """Return a new plugin."""
    return TinyPlugin()
'''

HOOKS_SOURCE = '''\
"""Hooks."""

from inference_pio import hookimpl


@hookimpl
def pio_after_load(plugin_name):
    """See the hook."""
'''


def manifest() -> dict[str, Any]:
    return {
        "name": "Tiny",
        "version": "1.0",
        "author": "Ada",
        "description": "A model that says nothing",
        "plugin_type": "MODEL_COMPONENT",
        "dependencies": [],
        "compatibility": {
            "torch_version": "", "transformers_version": "", "python_version": ">=3.10", "min_memory_gb": 0,
        },
        "model_architecture": "tiny",
        "model_size": "1K",
        "required_memory_gb": 0,
        "supported_modalities": ["text"],
        "license": "MIT",
        "tags": [],
        "model_family": "Tiny",
        "num_parameters": 1000,
        "entry_point": {"module": ".plugin", "class": "TinyPlugin", "factory_function": "create_tiny_plugin"},
        "host_api": ">=1,<2",
    }  # fmt: skip


@dataclass
class Plugin:
    """A distribution that is not written yet.

    Attributes:
        files: Of the import package, by path below the import root.
        project: The [project] table, without its entry points.
        entry_points: Group -> lines of ``name = value``.
        manifest: Written as JSON beside the plugin's module, unless it is a text already.
        extra: More members of the wheel.
    """

    files: dict[str, str | bytes]
    project: dict[str, Any]
    entry_points: dict[str, dict[str, str]]
    manifest: dict[str, Any] | str | None = None
    extra: dict[str, str | bytes] = field(default_factory=dict)

    package = PACKAGE

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.files[name]
        assert isinstance(text, str)
        assert old in text, f"{name} has changed: {old!r}"
        self.files[name] = text.replace(old, new)

    def contents(self) -> dict[str, bytes]:
        files = dict(self.files)
        if self.manifest is not None:
            text = self.manifest if isinstance(self.manifest, str) else json.dumps(self.manifest)
            files[f"{PACKAGE}/plugin_manifest.json"] = text
        return {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}

    def write_project(self, folder: Path, *, source: str = "src") -> Path:
        for name, content in self.contents().items():
            path = folder / source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "pyproject.toml").write_text(self.pyproject())
        return folder

    def pyproject(self) -> str:
        lines = ["[project]", *(f"{key} = {json.dumps(value)}" for key, value in self.project.items())]
        for group, table in self.entry_points.items():
            lines += [f'[project.entry-points."{group}"]']
            lines += [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in table.items()]
        return "\n".join(lines) + "\n"

    @property
    def dist_info(self) -> str:
        return f"{self.project['name'].replace('-', '_')}-{self.project['version']}.dist-info"

    def members(self) -> dict[str, bytes]:
        """Everything that the wheel holds, without its RECORD."""
        fields = ["Metadata-Version: 2.4", f"Name: {self.project['name']}", f"Version: {self.project['version']}"]
        fields += [f"License-Expression: {self.project['license']}"] if "license" in self.project else []
        fields += [f"Requires-Python: {self.project['requires-python']}"]
        fields += [f"Requires-Dist: {text}" for text in self.project["dependencies"]]
        groups = [
            (f"[{g}]\n", "".join(f"{n} = {v}\n" for n, v in table.items())) for g, table in self.entry_points.items()
        ]
        members = {**self.contents(), f"{self.dist_info}/METADATA": "\n".join(fields).encode()}
        members[f"{self.dist_info}/entry_points.txt"] = "".join(head + body for head, body in groups).encode()
        members[f"{self.dist_info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        beside = members.get(f"{PACKAGE}/plugin_manifest.json")
        if beside is not None:
            members[f"{self.dist_info}/extra_metadata/plugin_manifest.json"] = beside
        return members | {name: t.encode() if isinstance(t, str) else t for name, t in self.extra.items()}

    def write_wheel(self, folder: Path, *, change: Callable[[dict[str, bytes]], None] | None = None) -> Path:
        """Write the wheel; ``change`` sees its members, RECORD included, last."""
        members = self.members()
        members[f"{self.dist_info}/RECORD"] = record_of(members, f"{self.dist_info}/RECORD")
        if change is not None:
            change(members)
        path = folder / f"{self.dist_info.removesuffix('.dist-info')}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path


def record_of(members: dict[str, bytes], own_name: str) -> bytes:
    lines = []
    for name, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own_name},,", ""]).encode()


def model_plugin() -> Plugin:
    files: dict[str, str | bytes] = {
        f"{PACKAGE}/__init__.py": '"""Tiny."""\n',
        f"{PACKAGE}/config.py": '"""Config."""\nSIZE = 1\n',
        f"{PACKAGE}/model.py": '"""Model."""\nLAYERS = 1\n',
        f"{PACKAGE}/plugin.py": PLUGIN_SOURCE,
        f"{PACKAGE}/py.typed": "",
    }
    files.update({f"{PACKAGE}/{name}/__init__.py": f'"""{name}."""\nDECISION = 1\n' for name in FOLDERS})
    files[f"{PACKAGE}/tests/test_tiny.py"] = "def test_nothing(): pass\n"
    project = {
        "name": "inference-pio-tiny",
        "version": "1.0",
        "license": "MIT",
        "requires-python": ">=3.10",
        "dependencies": ["inference-pio>=0.1,<0.2"],
    }
    lines = {"inference_pio.models": {"tiny": "inference_pio.models.tiny.plugin:create_tiny_plugin"}}
    return Plugin(files, project, lines, manifest())


def hook_plugin() -> Plugin:
    made = model_plugin()
    made.project["name"] = "acme-hooks"
    files: dict[str, str | bytes] = {
        "acme_hooks/__init__.py": "",
        "acme_hooks/py.typed": "",
        "acme_hooks/hooks.py": HOOKS_SOURCE,
    }
    return Plugin(files, made.project, {"inference_pio.hooks": {"acme": "acme_hooks.hooks"}})


@pytest.fixture
def model() -> Plugin:
    return model_plugin()


@pytest.fixture
def hooks() -> Plugin:
    return hook_plugin()


Check = Callable[..., CheckReport]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Write a plugin as a project, or with ``wheel=True`` as a wheel, and check it."""

    def run(plugin: Plugin, *, wheel: bool = False, change: Any = None, **options: Any) -> CheckReport:
        target = plugin.write_wheel(tmp_path, change=change) if wheel else plugin.write_project(tmp_path / "project")
        return check_target(str(target), **options)

    return run
