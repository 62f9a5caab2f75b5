"""Which distributions an environment has, in which version, and what an operation changed of that."""

from __future__ import annotations

import csv
import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..installed import Installed, InstalledDist, scan_installed
from .tree import Mark, mark_of


@dataclass(frozen=True)
class DistState:
    """One installed distribution, as far as it takes to see that it was changed.

    Attributes:
        version: As its metadata says.
        folder: Its ``.dist-info``.
        mark: Of its ``RECORD``, which every installer writes anew.
    """

    version: str
    folder: str
    mark: Mark | None


@dataclass(frozen=True)
class Change:
    """What became of one distribution.

    Attributes:
        name: Canonical.
        old: Version before; ``None`` when it was not there.
        new: Version now; ``None`` when it is gone.
    """

    name: str
    old: str | None
    new: str | None

    @property
    def description(self) -> str:
        """For people: ``0.1.0 -> 0.2.0``, ``1.0 (new)``, ``1.0 (removed)``, ``1.0 (again)``."""
        if self.old is None:
            return f"{self.new} (new)"
        if self.new is None:
            return f"{self.old} (removed)"
        return f"{self.new} (again)" if self.old == self.new else f"{self.old} -> {self.new}"


def scan_afresh() -> Installed:
    """Scan what is installed now, without what earlier scans of this process remember."""
    importlib.invalidate_caches()
    return scan_installed()


def dist_states(installed: Installed) -> dict[str, DistState]:
    """Return the state of every distribution, by canonical name."""
    return {
        name: DistState(dist.version, dist.folder, mark_of(str(Path(dist.folder, "RECORD"))))
        for name, dist in installed.dists.items()
    }


def changes_between(before: Mapping[str, DistState], after: Mapping[str, DistState]) -> tuple[Change, ...]:
    """Return what changed, by name."""
    return tuple(
        Change(name, old.version if old else None, new.version if new else None)
        for name in sorted({*before, *after})
        if (old := before.get(name)) != (new := after.get(name))
    )


def recorded_files(dist: InstalledDist) -> Iterator[str]:
    """Yield the absolute paths that a distribution's ``RECORD`` names, and those of the bytecode of its modules.

    Without a ``RECORD`` (what old tools leave) there is nothing to go by but the metadata itself.
    """
    if not dist.folder:
        return
    folder = os.path.realpath(dist.folder)
    base = os.path.dirname(folder)  # noqa: PTH120 - RECORD's paths are joined as texts: links must stay links
    for row in csv.reader((dist.metadata.read_text("RECORD") or "").splitlines()):
        if row and row[0]:
            path = os.path.normpath(os.path.join(base, row[0]))  # noqa: PTH118 - see above
            yield path
            yield from _bytecode(path)
    for place, _, names in os.walk(folder):
        yield from (f"{place}{os.sep}{name}" for name in names)


def _bytecode(path: str) -> Iterator[str]:
    module = Path(path)
    if module.suffix == ".py":
        yield from map(str, module.parent.glob(f"__pycache__/{module.stem}.*.pyc"))
