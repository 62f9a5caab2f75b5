"""Every ``.dist-info`` and ``.egg-info`` on the search path, shadowed and broken ones included.

``installed.py`` keeps the first of each project, for speed and because that is the one that counts; what lies beside
and behind it is looked at here, where somebody asked for it.
"""
# ruff: noqa: PTH118, PTH208 - names of hundreds of files; an object for each costs more than the look

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..names import canonical_name

_DIST_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info")
# setuptools writes NAME.egg-info into sources, and installed NAME-VERSION-pyX.Y.egg-info, as a folder or as a file.
_EGG_INFO = re.compile(r"(?P<name>[^-]+?)(?:-(?P<version>[^-]+))?(?:-py[\d.]+)?\.egg-info")


@dataclass(frozen=True)
class MetadataFolder:
    """A ``.dist-info`` folder, or an ``.egg-info`` folder or file.

    Attributes:
        path: Where it is.
        place: Folder of the search path that it lies in.
        order: Of that folder on the search path, from 0.
        project: Canonical name.
        version: From its name; empty where that has none.
        is_egg: Whether it is an ``.egg-info``.
    """

    path: str
    place: str
    order: int
    project: str
    version: str
    is_egg: bool

    def read(self, name: str) -> str:
        """Return a text file in it; empty when there is none."""
        try:
            with open(os.path.join(self.path, name), encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
                return file.read()
        except OSError:
            return ""


@dataclass(frozen=True)
class MetadataScan:
    """What a look at all folders of the search path found.

    Attributes:
        folders: By search path, then by name.
        remains: Paths that begin with ``~``: what pip renames before it removes it.
        places: Folders that hold any of them.
    """

    folders: tuple[MetadataFolder, ...]
    remains: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        """Folders that hold metadata, in import order."""
        return list(dict.fromkeys(folder.place for folder in self.folders))

    def of(self, project: str) -> list[MetadataFolder]:
        """Return everything about one project, in import order."""
        return [folder for folder in self.folders if folder.project == project]


def scan_metadata(search_path: Sequence[str]) -> MetadataScan:
    """List the folders of the search path; what cannot be listed (an archive, say) has none of this."""
    folders: list[MetadataFolder] = []
    remains: list[str] = []
    for order, place in enumerate(_places(search_path)):
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        folders += _metadata(place, order, names)
        remains += (os.path.join(place, name) for name in names if _is_remains(name))
    return MetadataScan(tuple(folders), tuple(remains))


def remove_command(paths: Iterable[str]) -> str:
    """Return what to type to remove files and folders."""
    paths = list(paths)
    return f"Remove {', '.join(paths)}" if os.name == "nt" else f"rm -r {shlex.join(paths)}"


def _places(search_path: Sequence[str]) -> list[str]:
    """Return each folder once, by the first of its names: ``lib64`` may be a link to ``lib``."""
    by_real: dict[str, str] = {}
    for entry in search_path:
        by_real.setdefault(os.path.realpath(entry or "."), os.path.abspath(entry or "."))  # noqa: PTH100 - as above
    return list(by_real.values())


def _metadata(place: str, order: int, names: list[str]) -> Iterator[MetadataFolder]:
    for name in names:
        match = _DIST_INFO.fullmatch(name) or _EGG_INFO.fullmatch(name)
        if match and not name.startswith("~"):
            yield MetadataFolder(
                path=os.path.join(place, name),
                place=place,
                order=order,
                project=canonical_name(match["name"]),
                version=match["version"] or "",
                is_egg=name.endswith(".egg-info"),
            )


def _is_remains(name: str) -> bool:
    # pip puts a tilde in the place of the first letter: ~umpy, ~umpy-1.0.dist-info, ~%mpy after a second failure.
    return len(name) > 1 and name.startswith("~")
