"""Files that lie where a distribution's files lie and are not its own: what a RECORD alone can never tell.

Python imports what it finds: a stray ``config/`` folder or a compiled ``config.so`` comes before ``config.py``.
"""
# ruff: noqa: PTH118, PTH120 - tens of thousands of paths; an object for each costs more than the look

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..installed import Installed
from .dist_state import BOOKKEEPING, DistState
from .record_file import RecordError, parse_record, read_record_text


class Stray(NamedTuple):
    """One file (or link to a folder).

    Attributes:
        dist: Whose folder it lies in.
        path: Absolute.
        owner: The other distribution that lists it; empty when none does.
    """

    dist: str
    path: str
    owner: str


def find_strays(states: Iterable[DistState], installed: Installed) -> list[Stray]:
    """Look through the folders of some distributions; sorted by path."""
    sites: dict[str, list[DistState]] = {}
    for state in states:
        if state.place and state.entries:
            sites.setdefault(state.place.folder, []).append(state)
    return sorted(
        (stray for site, here in sites.items() for stray in _Site(site, here, installed).strays()),
        key=lambda stray: stray.path,
    )


class _Site:
    """One folder with distributions.

    Args:
        folder: The folder.
        states: The distributions in it that are looked at.
        installed: Whose RECORDs count besides theirs.
    """

    def __init__(self, folder: str, states: list[DistState], installed: Installed) -> None:
        self._folder = folder
        self._states = states
        self._names = {state.name for state in states}
        self._tops = {_top(path) for state in states for path in state.entries} - {"..", "", "__pycache__"}
        self._owners: dict[str, list[str]] = {}
        for state in states:
            self._add(state.name, state.entries)
        for name, dist in installed.dists.items():
            if name not in self._names and dist.folder and os.path.dirname(os.path.abspath(dist.folder)) == folder:  # noqa: PTH100 - as above
                self._add(name, self._others(dist.folder))
        self._folders = self._nearest_owners()

    def strays(self) -> Iterator[Stray]:
        """Yield what nobody lists, then what the wrong one lists."""
        for path in self._unlisted():
            yield Stray(self._nearest(path), path, "")
        yield from self._foreign()

    def _add(self, name: str, paths: Iterable[str]) -> None:
        for path in paths:
            absolute = os.path.normcase(os.path.normpath(os.path.join(self._folder, path)))
            self._owners.setdefault(absolute, []).append(name)

    def _others(self, info: str) -> list[str]:
        """What another distribution lists, if it has anything to do with the folders in question."""
        try:
            text = read_record_text(info)
            return list(parse_record(text)) if any(top in text for top in self._tops) else []
        except RecordError:
            return []  # it owns nothing that anybody could tell

    def _nearest_owners(self) -> dict[str, str]:
        """Folder -> the first of the looked-at distributions that has a file in it; empty for other owners'."""
        found: dict[str, str] = {}
        for path, owners in self._owners.items():
            name = min((owner for owner in owners if owner in self._names), default="")
            while (path := os.path.dirname(path)) and len(path) > len(self._folder):
                found[path] = min(filter(None, (name, found.get(path, ""))), default="")
        return found

    def _nearest(self, path: str) -> str:
        folder = os.path.normcase(path)
        while len(folder := os.path.dirname(folder)) > len(self._folder):
            if name := self._folders.get(folder):
                return name
        top = _top(os.path.relpath(path, self._folder).replace(os.sep, "/"))
        owners = (s.name for s in self._states if any(_stem(_top(p)) == _stem(top) for p in s.entries))
        return min(owners, default=min(self._names))

    def _unlisted(self) -> Iterator[str]:
        stems = {_stem(top) for top in self._tops if not top.endswith(".dist-info")}
        infos = {os.path.basename(state.folder) for state in self._states}  # noqa: PTH119 - as above
        for entry in _entries(self._folder):
            if entry.name in infos:
                yield from (path for path in self._below(entry) if os.path.basename(path) not in BOOKKEEPING)  # noqa: PTH119 - as above
            elif _stem(entry.name) in stems:
                yield from self._below(entry)

    def _below(self, entry: os.DirEntry[str]) -> Iterator[str]:
        path = os.path.normcase(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":  # see bytecode
                for child in _entries(entry.path):
                    yield from self._below(child)
        elif path not in self._owners and path not in self._folders:
            # A link to a folder that files are listed in is not descended into: those are hashed where they lie.
            yield entry.path

    def _foreign(self) -> Iterator[Stray]:
        packages = {folder: state.name for state in self._states for folder in self._own_packages(state)}
        if not packages:
            return
        starts = tuple(folder + os.sep for folder in packages)
        for path, owners in self._owners.items():
            if path.startswith(starts):
                name = next(packages[start[:-1]] for start in starts if path.startswith(start))
                if name not in owners and not path.endswith(".pyc") and os.path.lexists(path):
                    yield Stray(name, path, owners[0])

    def _own_packages(self, state: DistState) -> Iterator[str]:
        """Folders of its plugins' packages that are its own: with an ``__init__.py`` that it lists; not namespaces."""
        for reference in state.references:
            package = reference.module.rpartition(".")[0]
            folder = os.path.normcase(os.path.join(self._folder, *package.split(".")))
            if package and state.name in self._owners.get(os.path.join(folder, "__init__.py"), ()):
                yield folder


def _top(path: str) -> str:
    return path.partition("/")[0]


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
