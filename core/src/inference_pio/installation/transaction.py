"""All or nothing: what an environment's files were before, and how to get them back.

Not by asking pip to undo what pip did: pip may have been killed half-way, or not start any more because of what it
installed. The files themselves are put back, and compared.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sysconfig
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import InstallError
from ..installed import Installed
from .distributions import Change, changes_between, dist_states, recorded_files, scan_afresh
from .tree import Tree, environment_roots, is_inside, list_tree, mark_of, shared_roots

_CLOCK_NS = 100_000_000
"""File systems stamp files with a clock that is a little behind, nanoseconds."""


class Transaction:
    """A copy of everything that an operation may overwrite or delete. A context manager; leaving it drops the copy.

    Nobody else may install into the environment meanwhile. Complete distributions that appear all the same are spared.

    Args:
        installed: What is installed, scanned just now.
        names: Canonical names of the distributions that the operation is about to add, replace or remove.
    """

    def __init__(self, installed: Installed, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._roots = environment_roots()
        self._started_ns = time.time_ns() - _CLOCK_NS
        self._dists = dist_states(installed)
        self._before: Tree = list_tree(self._roots)
        self._copies: dict[str, Path] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="inference-pio-before-"))
        self._is_kept = False
        try:
            self._copy_all(installed)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the copy, unless it is the last one of files that could not be put back."""
        if not self._is_kept:
            shutil.rmtree(self._folder, ignore_errors=True)

    def changes(self) -> tuple[Change, ...]:
        """Return what has changed since."""
        return changes_between(self._dists, dist_states(scan_afresh()))

    def rollback(self) -> None:
        """Put everything back.

        Raises:
            InstallError: Some of it is not as it was; names the files, and where their copies are.
        """
        try:
            self._restore()
            wrong = self._differences()
        except OSError as error:
            wrong = [str(error)]
        if wrong:
            self._is_kept = True
            raise InstallError(
                f"the environment could not be brought back to what it was: {'; '.join(wrong[:5])}. The files from "
                f"before are kept in {self._folder}; reinstall with pip what is broken: "
                f"pip install --force-reinstall --no-deps {' '.join(sorted(self._names & self._dists.keys()))}"
            )

    def _copy_all(self, installed: Installed) -> None:
        # Path files are shared by legacy editable installs, and no RECORD has those.
        shared = (path for path in self._before.files if path.endswith((".pth", ".egg-link")))
        own = (path for name in self._names & installed.dists.keys() for path in recorded_files(installed.dists[name]))
        for path in {*shared, *own}:
            if path not in self._before.files and not is_inside(path, sysconfig.get_path("data")):
                continue  # a RECORD may name anything; what lies outside of the environment is not pip's to change
            if mark_of(path) is not None:
                copy = self._folder / str(len(self._copies))
                shutil.copy2(path, copy, follow_symlinks=False)
                self._copies[path] = copy

    def _restore(self) -> None:
        scan = scan_afresh()
        now = list_tree(self._roots)
        spared = self._files_of_others(scan)
        data = {path for path in self._outside(scan) if path not in self._copies}
        new = {path for path in now.files.keys() - self._before.files.keys() if not self._is_anybodys(path, scan)}
        for path in {*new, *data} - spared:
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
        for path, copy in self._copies.items():
            if mark_of(path) != mark_of(str(copy)) or self._is_new(path):
                _put_back(copy, Path(path))
        for folder in sorted(now.folders - self._before.folders, reverse=True):
            with contextlib.suppress(OSError):  # not empty: somebody else's
                Path(folder).rmdir()

    def _files_of_others(self, scan: Installed) -> set[str]:
        """Files of complete distributions that appeared meanwhile and that this operation has nothing to do with."""
        strangers = scan.dists.keys() - self._dists.keys() - self._names
        return {path for name in strangers for path in recorded_files(scan.dists[name])}

    def _is_anybodys(self, path: str, scan: Installed) -> bool:
        """Whether a new file lies where everybody puts theirs, and is in no RECORD of this operation."""
        if not any(is_inside(path, root) for root in shared_roots()):
            return False
        return not any(path in recorded_files(scan.dists[name]) for name in self._names & scan.dists.keys())

    def _outside(self, scan: Installed) -> Iterator[str]:
        """Data files that were installed outside of what is listed, where the environment is not a virtual one."""
        for name in self._names & scan.dists.keys():
            for path in recorded_files(scan.dists[name]):
                listed = any(is_inside(os.path.realpath(path), root) for root in self._roots)
                if not listed and is_inside(path, sysconfig.get_path("data")) and self._is_new(path):
                    yield path

    def _is_new(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return os.lstat(path).st_ctime_ns >= self._started_ns
        return False

    def _differences(self) -> list[str]:
        now = list_tree(self._roots)
        lost = [path for path, mark in self._before.files.items() if now.files.get(path) != mark and _counts(path)]
        changed = [f"{change.name} {change.description}" for change in self.changes() if change.name in self._names]
        return sorted(changed) + sorted(lost)


def _put_back(copy: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.copy2(copy, beside, follow_symlinks=False)
    beside.replace(path)


def _counts(path: str) -> bool:
    """Whether a file matters: bytecode is made anew by whoever runs a module."""
    return not path.endswith(".pyc")
