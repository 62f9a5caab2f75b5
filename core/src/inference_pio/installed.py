"""What is installed, from metadata alone: one scan that finds distributions, versions and entry points.

Names and versions come from the names of the ``.dist-info`` folders: parsing every ``METADATA`` would cost more
than all the rest of ``inference-pio list``.
"""
# ruff: noqa: PTH113, PTH118, PTH119, PTH120 - hundreds of paths; an object for each costs more than the look

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from .names import canonical_name

logger = logging.getLogger(__name__)

MODELS_GROUP = "inference_pio.models"
HOOKS_GROUP = "inference_pio.hooks"
_GROUPS = frozenset({MODELS_GROUP, HOOKS_GROUP})
_DIST_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info")


@dataclass(frozen=True)
class EntryPointRef:
    """One line of an ``entry_points.txt``: ``name = value``."""

    group: str
    name: str
    value: str

    @property
    def module(self) -> str:
        """The part before the colon."""
        return self._bare.partition(":")[0].strip()

    @property
    def attribute(self) -> str:
        """The part after the colon; empty when the entry point is a module."""
        return self._bare.partition(":")[2].strip()

    @property
    def is_well_formed(self) -> bool:
        """Whether module and attribute are dotted identifiers, so that neither can be a path."""
        dotted = [self.module, self.attribute] if ":" in self._bare else [self.module]
        return all(part.isidentifier() for text in dotted for part in text.split("."))

    @property
    def _bare(self) -> str:
        # Without the extras in brackets, which no installer has used for years.
        return self.value.partition("[")[0].strip()


class Metadata(Protocol):
    """The part of ``importlib_metadata.Distribution`` that is used here."""

    @property
    def metadata(self) -> Any:
        """The parsed ``METADATA``."""

    @property
    def version(self) -> str:
        """From the parsed ``METADATA``."""

    @property
    def requires(self) -> list[str] | None:
        """Requirements as PEP 508 texts."""

    def read_text(self, filename: str) -> str | None:
        """Content of a file in the ``.dist-info``, ``None`` when there is none."""


@dataclass(frozen=True, eq=False)
class InstalledDist:
    """One installed distribution.

    Attributes:
        name: Canonical.
        metadata: The handle that reads its files.
        folder: Path of its ``.dist-info``; empty when it does not lie on a file system.
    """

    name: str
    metadata: Metadata
    folder: str
    entry_points: tuple[EntryPointRef, ...] = ()
    duplicates: tuple[str, ...] = ()
    """Other ``.dist-info`` folders of the same distribution in the same place: what a broken upgrade leaves."""

    @cached_property
    def version(self) -> str:
        """Its version as written; ``unknown`` when the metadata does not say."""
        match = _DIST_INFO.fullmatch(os.path.basename(self.folder))
        if match:
            return match["version"]
        try:
            return self.metadata.version or "unknown"
        except Exception:  # noqa: BLE001 - broken metadata of any kind leaves the version unknown
            return "unknown"


@dataclass
class Installed:
    """All installed distributions, in the order in which imports look for them.

    Attributes:
        dists: The first distribution of each name.
        problems: Metadata that could not be read: ``(where, what)``.
    """

    dists: dict[str, InstalledDist] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def version(self, name: str) -> str | None:
        """Return a distribution's version, ``None`` when it is not installed."""
        dist = self.dists.get(canonical_name(name))
        return dist.version if dist else None

    def requirements(self, name: str) -> list[str]:
        """Return a distribution's own requirements as PEP 508 texts; none when it is not installed."""
        dist = self.dists.get(canonical_name(name))
        return list(dist.metadata.requires or ()) if dist else []


def scan_installed() -> Installed:
    """Look at every distribution on ``sys.path`` once. Runs no code of any of them."""
    import importlib_metadata

    return collect(importlib_metadata.distributions())


def collect(distributions: Iterable[Metadata]) -> Installed:
    """Sort distributions by name; of several with one name the first place counts, there the newest version."""
    installed = Installed()
    same_name: dict[str, list[InstalledDist]] = {}
    for metadata in distributions:
        folder = os.fspath(path) if (path := str(getattr(metadata, "_path", "")).rstrip("/\\")) else ""
        try:
            dist = _read(metadata, folder)
        except Exception as error:  # one broken distribution must not hide the others
            logger.debug("skipping %s", folder, exc_info=True)
            installed.problems.append((folder or repr(metadata), f"{type(error).__name__}: {error}"))
            continue
        if dist is not None:
            same_name.setdefault(dist.name, []).append(dist)
    installed.dists = {name: _choose(found) for name, found in same_name.items()}
    return installed


def _read(metadata: Metadata, folder: str) -> InstalledDist | None:
    base = os.path.basename(folder)
    if base.startswith("~"):  # pip's name for a folder that it could not remove
        return None
    match = _DIST_INFO.fullmatch(base)
    name = match["name"] if match else metadata.metadata["Name"]
    if not name:
        raise ValueError("its metadata has no name")
    text = metadata.read_text("entry_points.txt") or ""
    entry_points = tuple(parse_entry_points(text)) if "inference_pio." in text else ()
    return InstalledDist(canonical_name(name), metadata, folder, entry_points)


def parse_entry_points(text: str) -> Iterator[EntryPointRef]:
    """Yield the entry points of our groups in an ``entry_points.txt``."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group in _GROUPS and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield EntryPointRef(group, name.strip(), value.strip())


def _choose(found: list[InstalledDist]) -> InstalledDist:
    first = found[0]
    place = os.path.dirname(first.folder)
    rivals = [d for d in found if os.path.dirname(d.folder) == place] if len(found) > 1 and first.folder else found[:1]
    # The same folder twice on sys.path is no rival.
    rivals = list({d.folder: d for d in rivals}.values())
    if len(rivals) == 1:
        return first
    rivals.sort(key=_age, reverse=True)
    best = rivals[0]
    others = tuple(d.folder for d in rivals[1:])
    return InstalledDist(best.name, best.metadata, best.folder, best.entry_points, others)


def _age(dist: InstalledDist) -> tuple[bool, object, str]:
    """Sort key, best last: folders with metadata, then by version, then by name, so that no listing order counts."""
    from packaging.version import InvalidVersion, Version

    has_metadata = os.path.isfile(os.path.join(dist.folder, "METADATA"))
    try:
        return has_metadata, Version(dist.version), dist.folder
    except InvalidVersion:
        return has_metadata, Version("0"), dist.folder
