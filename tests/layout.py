"""What the file system and the pyproject.toml files say about this repository; nothing here is listed by hand."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nox.project import load_toml

from inference_pio.checking.structure import FOLDERS as COMPONENTS

__all__ = ["COMPONENTS", "CORE", "DISTS", "MODELS", "PLUGINS", "ROOT", "Dist", "all_files", "module_name", "text_files"]

ROOT = Path(__file__).parents[1]
MODEL_GROUP = "inference_pio.models"
HOOK_GROUP = "inference_pio.hooks"


@dataclass(frozen=True)
class Dist:
    """One distribution of this repository.

    Attributes:
        folder: Where its pyproject.toml lies.
        word: The one word that names folder, distribution, import and entry point; ``core`` for the host.
    """

    folder: Path
    word: str

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """Its pyproject.toml."""
        return load_toml(self.folder / "pyproject.toml")

    @property
    def project(self) -> dict[str, Any]:
        """The [project] table."""
        table: dict[str, Any] = self.settings["project"]
        return table

    def entry_points(self, group: str) -> dict[str, str]:
        """Entry points of one group, by name."""
        table: dict[str, str] = self.project.get("entry-points", {}).get(group, {})
        return table

    @property
    def is_model(self) -> bool:
        """Whether it brings a model."""
        return bool(self.entry_points(MODEL_GROUP))

    @property
    def package(self) -> Path:
        """The folder of its import package."""
        shared = self.folder / "src" / "inference_pio"
        if self.word == "core":
            return shared
        return shared / "models" / self.word if self.is_model else shared / self.word

    @property
    def modules(self) -> dict[str, Path]:
        """Its modules: dotted name to file."""
        return {module_name(self.folder / "src", path): path for path in sorted(self.package.rglob("*.py"))}

    def __str__(self) -> str:
        return self.word


def module_name(source: Path, path: Path) -> str:
    """Dotted name of a file below a source folder; a package goes by its own name."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def all_files() -> tuple[Path, ...]:
    """Every file that git tracks, or would if it were added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return tuple(path for name in sorted(filter(None, set(listed))) if (path := ROOT / name).is_file())


def text_files(*suffixes: str) -> dict[Path, str]:
    """Content of every text file, by its path relative to the root; all of them when no suffix is given."""
    found: dict[Path, str] = {}
    for path in all_files():
        if not suffixes or path.suffix in suffixes:
            try:
                found[path.relative_to(ROOT)] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # not text
    return found


CORE = Dist(ROOT / "core", "core")
PLUGINS = tuple(Dist(path.parent, path.parent.name) for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))
DISTS = (CORE, *PLUGINS)
MODELS = tuple(plugin for plugin in PLUGINS if plugin.is_model)
