"""The files of a target, wherever they lie: a folder, an archive, an installed distribution. Reading runs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..manifest import MANIFEST_NAME
from ..manifest_files import read_inside

MAX_SOURCE_BYTES = 5_000_000
"""Nobody writes a module of this size; reading one must not fill the memory."""

SKIPPED = frozenset({"__pycache__", ".git", ".venv", "venv", "node_modules", ".nox", ".tox"})

Reader = Callable[[int], bytes]
"""Reads at most so many bytes; raises ``OSError`` or ``ValueError``."""


class FileTree:
    """Files below an import root, by their path relative to it.

    Args:
        readers: Relative path with ``/`` -> what reads the file.
        shown: Turns a relative path into what a person would open; default: the path as it is.
    """

    def __init__(self, readers: Mapping[str, Reader], shown: Callable[[str], str] = str) -> None:
        self._readers = dict(sorted(readers.items()))
        self.shown = shown

    def __contains__(self, name: object) -> bool:
        return name in self._readers

    @property
    def names(self) -> list[str]:
        """All files, sorted."""
        return list(self._readers)

    def below(self, folder: str) -> list[str]:
        """Files in a folder and in the folders below it."""
        return [name for name in self._readers if name.startswith(f"{folder}/")]

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            OSError: It cannot be read.
            ValueError: It is too large, or its archive is damaged.
        """
        data = self._readers[name](MAX_SOURCE_BYTES + 1)
        if len(data) > MAX_SOURCE_BYTES:
            raise ValueError(f"it has more than {MAX_SOURCE_BYTES} bytes")
        return data


def folder_tree(root: Path, tops: Iterable[str], shown: Callable[[str], str] = str) -> FileTree:
    """Return what lies below some top-level packages or modules of an import root.

    Only these, for beside a flat package lie virtual environments, builds and data.
    """
    readers: dict[str, Reader] = {}
    for top in tops:
        module = root / f"{top}.py"
        if module.is_file():
            readers[module.name] = file_reader(module)
        for path in walk_files(root / top):
            readers[path.relative_to(root).as_posix()] = file_reader(path)
    return FileTree(readers, shown)


def walk_files(folder: Path) -> list[Path]:
    """Regular files below a folder, without caches; links to folders are not followed, so that there is an end."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        found += [path for name in sorted(names) if (path := Path(parent, name)).is_file() or path.is_symlink()]
    return found


def file_reader(path: Path) -> Reader:
    """Return what reads a file on disk; a manifest only if it really lies in its folder, as the host reads it."""

    def read(limit: int) -> bytes:
        if path.name == MANIFEST_NAME:
            return read_inside(str(path), str(path.parent))
        with path.open("rb") as file:
            return file.read(limit)

    return read
