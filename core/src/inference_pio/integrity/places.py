"""Where the files of a distribution may lie: inside its environment, and nowhere else.

A RECORD writes paths relative to the folder of the ``.dist-info``, and may lead up from there (``../../../bin/x``). So
the border is the environment: the prefix of the interpreter, the user's own, or, for a folder that is merely on
``sys.path``, that folder.
"""
# ruff: noqa: PTH100, PTH114, PTH118, PTH120 - tens of thousands of paths; an object for each costs more than the hash

from __future__ import annotations

import os
import site
import sys


class OutsideError(Exception):
    """A path leads out of the environment."""


class Place:
    """Turns the paths of one RECORD into paths that may be read.

    Args:
        folder: The folder that holds the ``.dist-info``.
        prefixes: Roots of environments; default: those of this interpreter.
    """

    def __init__(self, folder: str, prefixes: tuple[str, ...] | None = None) -> None:
        self.folder = os.path.abspath(folder)
        self.root = _environment_of(self.folder, prefixes if prefixes is not None else _prefixes())
        self._real_roots = tuple({os.path.realpath(self.root), os.path.realpath(self.folder)})
        self._real_folders: dict[str, bool] = {}

    def locate(self, recorded: str) -> str:
        """Return the absolute path of a file that RECORD lists. The file need not exist.

        Raises:
            OutsideError: It leads out of the environment; the message says where to.
        """
        path = os.path.normpath(os.path.join(self.folder, recorded))
        if not is_within(path, self.root):
            raise OutsideError(f"leads out of the environment, to {path}")
        if os.path.islink(path) or not self._is_real_folder_inside(os.path.dirname(path)):
            real = os.path.realpath(path)
            if not any(is_within(real, root) for root in self._real_roots):
                raise OutsideError(f"is a link that leads out of the environment, to {real}")
        return path

    def relative(self, path: str) -> str:
        """Return a path below the folder the way RECORD writes it."""
        return os.path.relpath(path, self.folder).replace(os.sep, "/")

    def _is_real_folder_inside(self, folder: str) -> bool:
        # Remembered: links are resolved once a folder, not once a file.
        if folder not in self._real_folders:
            real = os.path.realpath(folder)
            self._real_folders[folder] = any(is_within(real, root) for root in self._real_roots)
        return self._real_folders[folder]


def is_within(path: str, folder: str) -> bool:
    """Whether an absolute path without ``..`` lies in a folder, or is it."""
    path, folder = os.path.normcase(path), os.path.normcase(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _prefixes() -> tuple[str, ...]:
    user = site.getuserbase() if site.ENABLE_USER_SITE else None
    found = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *([user] if user else [])]
    return tuple(dict.fromkeys(os.path.abspath(prefix) for prefix in found))


def _environment_of(folder: str, prefixes: tuple[str, ...]) -> str:
    """The innermost prefix around a folder, else the folder itself."""
    around = [prefix for prefix in prefixes if is_within(folder, prefix)]
    return max(around, key=len, default=folder)
