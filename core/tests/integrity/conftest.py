from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

from inference_pio.installed import Installed, collect
from inference_pio.integrity import Finding, Inventory, Lock, build_lock, compare, plugin_distributions, take_inventory


@dataclass
class Environment:
    """Fake distributions with real RECORD files, as an installer leaves them."""

    site: Any
    manifest: dict[str, Any]
    infos: dict[str, Path] = field(default_factory=dict)

    def add(self, name: str = "qwen3", *, dist: str = "", version: str = "1.0", package: str = "") -> Path:
        """Install a model plugin; returns the folder of its package."""
        dist = dist or f"acme-{name}"
        package = package or f"acme_{name}"
        folder: Path = self.site.add_model(name, package=package, dist=dist, version=version, manifest=self.manifest)
        self.infos[dist] = self.site.path / f"{dist.replace('-', '_')}-{version}.dist-info"
        (self.infos[dist] / "INSTALLER").write_text("pip\n")
        self.record(dist, folder)
        return folder

    def record(self, dist: str, *folders: Path, extra: str = "") -> Path:
        """Write the RECORD of a distribution: its .dist-info and some folders or files; returns its path."""
        info = self.infos[dist]
        record = info / "RECORD"
        record.unlink(missing_ok=True)
        files = sorted(path for top in (info, *folders) for path in ([top] if top.is_file() else top.rglob("*")))
        lines = [self.line(path) for path in files if path.is_file() and "__pycache__" not in path.parts]
        record.write_text("".join(lines) + f"{info.name}/RECORD,,\n{extra}")
        return record

    def line(self, path: Path) -> str:
        """Return the line that a RECORD has for a file."""
        data = path.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return f"{path.relative_to(self.site.path).as_posix()},sha256={digest},{len(data)}\n"

    def come_from(self, dist: str, direct_url: Any) -> None:
        """Write a direct_url.json."""
        text = direct_url if isinstance(direct_url, str) else json.dumps(direct_url)
        (self.infos[dist] / "direct_url.json").write_text(text)

    def scan(self) -> Installed:
        return collect(importlib_metadata.distributions(path=[str(self.site.path)]))

    def inventory(self, lock: Lock | None = None) -> Inventory:
        installed = self.scan()
        more = {dist.name: [file.path for file in dist.files] for dist in lock.distributions} if lock else {}
        names = [*plugin_distributions(installed), *more]
        return take_inventory(installed, names, more=more, search_path=[str(self.site.path)])

    def lock(self) -> Lock:
        return build_lock(self.inventory(), "plugins")

    def verify(self, lock: Lock | None = None) -> list[Finding]:
        """Compare with a lock, or with RECORD alone."""
        inventory = self.inventory(lock)
        if lock is None:
            return inventory.findings
        return compare(lock, inventory, set(plugin_distributions(self.scan())))

    def codes(self, lock: Lock | None = None) -> list[tuple[str, str]]:
        """Code and path of each finding."""
        return [(finding.code, finding.path) for finding in self.verify(lock)]


@pytest.fixture
def environment(site: Any, manifest_data: dict[str, Any]) -> Environment:
    return Environment(site, manifest_data)


@pytest.fixture
def qwen3(environment: Environment) -> Path:
    """The folder of an installed plugin's package."""
    return environment.add()


Codes = Callable[..., list[tuple[str, str]]]
