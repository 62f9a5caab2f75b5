"""The runtime's lines in ``inference-pio doctor``: what is in the cache of weights. None of them imports torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator

from inference_pio.errors import InferencePioError
from inference_pio.file_sizes import size_of
from inference_pio.hookspecs import DoctorFinding
from inference_pio.host import default_host
from inference_pio.records import PluginRecord
from inference_pio.settings import cache_dir

from .sources import dead_downloads, kept_weights, key_of

MEGABYTE = 1_000_000
_UNCLAIMED = "of no installed model"


def check_weights() -> DoctorFinding:
    """Which models' weights are kept, and how large they are."""
    owners: dict[str, list[str]] = {}
    for key, owner in _owners(default_host().records()):
        owners.setdefault(key, []).append(owner)
    sizes: dict[str, int] = {}
    for key, size in kept_weights(cache_dir()).items():
        owner = " and ".join(owners.get(key, [_UNCLAIMED]))
        sizes[owner] = sizes.get(owner, 0) + size
    listed = ", ".join(f"{owner} {size / MEGABYTE:,.1f} MB" for owner, size in sorted(sizes.items()))
    return DoctorFinding(
        code="weights-kept",
        group="storage",
        name="weights",
        status="ok",
        message=listed or "none in the cache",
        data={"bytes": sizes},
    )


def check_leftovers() -> DoctorFinding:
    """What downloads that died have left behind; those that are going on are not counted."""
    dead = dead_downloads(cache_dir())
    size = sum(map(size_of, dead))
    if not dead:
        return DoctorFinding(
            code="downloads", group="storage", name="downloads", status="ok", message="nothing left over"
        )
    paths = [str(path) for path in dead]
    return DoctorFinding(
        code="download-leftover",
        group="storage",
        name="downloads",
        status="warning",
        message=f"{len(dead)} that died left {size / MEGABYTE:,.1f} MB",
        fix=f"Remove {', '.join(paths)}" if os.name == "nt" else f"rm -r {shlex.join(paths)}",
        data={"paths": paths, "bytes": size},
    )


def _owners(records: Iterable[PluginRecord]) -> Iterator[tuple[str, str]]:
    """Yield the cache's key of each checkpoint that a manifest names, and who names it."""
    for record in records:
        for entry in record.manifest.weights if record.manifest else ():
            try:
                key = key_of(entry)
            except InferencePioError:  # a source that cannot be parsed: asking for it says so
                continue
            if key is not None:
                yield key, f"{record.name} ({entry.id})"
