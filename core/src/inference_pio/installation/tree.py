"""The files of a Python environment that an installer may touch, as a listing that can be compared."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Mark = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds: what changes with a file's content."""


@dataclass
class Tree:
    """A listing.

    Attributes:
        files: Absolute path to mark; links are files, whatever they lead to.
        folders: Absolute paths.
    """

    files: dict[str, Mark] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


def environment_roots() -> tuple[str, ...]:
    """Return the folders that installers write to, none inside another.

    In a virtual environment also those of data files; elsewhere these are the system's, too large to list and not ours.
    """
    paths = sysconfig.get_paths()
    roots = [paths["purelib"], paths["platlib"], paths["scripts"]]
    if sys.prefix != sys.base_prefix:
        roots += [str(Path(sys.prefix, name)) for name in ("etc", "include", "share")]
    real = sorted({os.path.realpath(root) for root in roots})
    return tuple(root for root in real if not any(is_inside(root, other) for other in real if other != root))


def shared_roots() -> tuple[str, ...]:
    """Return those of them that others than installers of Python write to: ``/usr/local/bin``, say."""
    return (os.path.realpath(sysconfig.get_path("scripts")),) if sys.prefix == sys.base_prefix else ()


def is_inside(path: str, folder: str) -> bool:
    """Whether a normalised path lies below a folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def list_tree(roots: Iterable[str]) -> Tree:
    """List everything below some folders; one that does not exist is empty."""
    tree = Tree()
    for root in roots:
        _list(root, tree)
    return tree


def _list(folder: str, tree: Tree) -> None:
    # Not pathlib: with torch there are tens of thousands of files, and this runs three times.
    pending = [folder]
    while pending:
        place = pending.pop()
        for entry in _entries(place):
            if entry.is_dir(follow_symlinks=False):
                tree.folders.add(entry.path)
                pending.append(entry.path)
            elif (mark := mark_of(entry.path)) is not None:
                tree.files[entry.path] = mark


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:  # not there, or gone meanwhile
        return


def mark_of(path: str) -> Mark | None:
    """Return the mark of a file, ``None`` when there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
