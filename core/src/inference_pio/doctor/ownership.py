"""Which distributions are the host's business: itself, its plugins, and what bears its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..installed import InstalledDist, parse_entry_points

if TYPE_CHECKING:
    from ..discovery import Index
    from .metadata_folders import MetadataScan

HOST = "inference-pio"


def our_projects(index: Index, scan: MetadataScan) -> frozenset[str]:
    """Return the canonical names of all projects that belong to the host, left-over ones included."""
    plugins = {record.dist_name for record in (*index.models, *index.hooks)}
    named = {name for name in _names(index, scan) if name == HOST or name.startswith(f"{HOST}-")}
    eggs = {
        folder.project
        for folder in scan.folders
        if folder.is_egg and any(parse_entry_points(folder.read("entry_points.txt")))
    }
    return frozenset(plugins | named | eggs)


def _names(index: Index, scan: MetadataScan) -> Iterator[str]:
    yield from index.installed.dists
    yield from (folder.project for folder in scan.folders)


def our_dists(index: Index, ours: Iterable[str]) -> Iterator[InstalledDist]:
    """Yield the installed ones of ``ours``, by name."""
    dists = index.installed.dists
    yield from (dists[name] for name in sorted(ours) if name in dists)
