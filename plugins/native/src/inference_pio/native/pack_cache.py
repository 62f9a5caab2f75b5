"""Packed weights kept on disk, so that a model is mapped and not packed when it is loaded again.

    <cache_dir>/native/<checkpoint>-<key>.pack
    <cache_dir>/native/<checkpoint>.lock         held by the process that packs

``<checkpoint>`` stands for the path, ``<key>`` for everything that decides the bytes: the checkpoint's files, how its
tensors become weights, and the version of the layouts. Packs are the same for every instruction set. When a new pack is
written, those of the same path whose files have changed since or whose layouts are out of date are removed, and of the
others all but the newest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference_pio.file_lock import file_lock
from inference_pio.runtime.weight_map import as_row_order
from inference_pio.settings import cache_dir

from .pack_file import PackFile, PackFileError, open_pack, read_facts, write_pack
from .structures import ABI_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.runtime.weights import Checkpoint

    from .stored_weights import StoredPart, WeightPlan

logger = logging.getLogger(__name__)

FOLDER = "native"
LOCK_TIMEOUT_S = 600.0
"""Longest wait for another process that packs the same checkpoint; then this one packs for itself, in memory."""
SAMPLE_BYTES = 64
KEPT_PACKS = 3
"""Packs of one checkpoint that are kept: as stored, and rounded in two ways."""


@dataclass(frozen=True)
class PackKey:
    """What a pack is a pack of.

    Attributes:
        checkpoint: The checkpoint's path.
        source: Hash of the checkpoint's files: sizes, times and samples of their tensors.
        plan: Hash of how tensors become weights, layouts included.
    """

    checkpoint: Path
    source: str
    plan: str

    @property
    def path(self) -> str:
        """Hash of the checkpoint's path."""
        return _hash(str(self.checkpoint))

    @property
    def owner(self) -> int:
        """The user whose checkpoint it is: who believes it may believe their pack."""
        return self.checkpoint.stat().st_uid

    @property
    def file_name(self) -> str:
        """Name of the pack."""
        return f"{self.path}-{_hash([self.source, self.plan])}.pack"

    @property
    def facts(self) -> dict[str, Any]:
        """For the file's header."""
        return {"checkpoint": str(self.checkpoint), "source": self.source, "plan": self.plan, "abi": ABI_VERSION}


def key_of(checkpoint: Checkpoint, weights: Sequence[WeightPlan]) -> PackKey:
    """Return the key of a checkpoint's weights, packed in a certain way; every part must be ``is_raw``."""
    plan = [
        [
            weight.format,
            weight.columns,
            weight.n_bytes,
            [[part.source, part.kind, _order(part)] for part in weight.parts],
        ]
        for weight in weights
    ]
    path = checkpoint.path.resolve()
    return PackKey(path, _hash([_files(path), _samples(checkpoint)]), _hash([ABI_VERSION, plan]))


def packed(
    key: PackKey, sizes: Mapping[str, int], produce: Callable[[str], NDArray[np.uint8]]
) -> Mapping[str, NDArray[np.uint8]]:
    """Return packed sections: mapped from the cache, which is filled if need be, or in memory where it cannot be.

    Args:
        key: What they are.
        sizes: Bytes of each section by name.
        produce: Packs one section.
    """
    folder = cache_dir() / FOLDER
    path = folder / key.file_name
    if (found := _opened(path, key, sizes)) is not None:
        return found.sections
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / f"{key.path}.lock", LOCK_TIMEOUT_S):
            if (found := _opened(path, key, sizes)) is not None:  # by the process that this one waited for
                return found.sections
            _remove_outdated(folder, key)
            write_pack(path, key.facts, sizes, produce)
        return open_pack(path, owner=key.owner).sections
    except (OSError, PackFileError) as error:
        logger.warning("packed weights cannot be kept under %s (%s); they are made anew at every load", folder, error)
        return {name: produce(name) for name in sizes}


def _opened(path: Path, key: PackKey, sizes: Mapping[str, int]) -> PackFile | None:
    try:
        pack = open_pack(path, owner=key.owner)
    except FileNotFoundError:
        return None
    except (OSError, PackFileError) as error:
        logger.info("%s; packing anew", error)
        return None
    # Else the name is a coincidence, or somebody renamed a file.
    is_ours = pack.facts == key.facts and {name: len(section) for name, section in pack.sections.items()} == sizes
    return pack if is_ours else None


def _remove_outdated(folder: Path, key: PackKey) -> None:
    """Make room for a new pack; the caller holds the lock."""
    current: list[tuple[float, Path]] = []
    for path in folder.glob(f"{key.path}-*.pack"):
        try:
            facts = read_facts(path)
            is_current = (facts.get("source"), facts.get("abi")) == (key.source, ABI_VERSION)
        except (OSError, PackFileError):
            is_current = False
        if is_current:
            current.append((path.stat().st_mtime, path))
        else:
            _remove(path)
    for _, path in sorted(current, reverse=True)[KEPT_PACKS - 1 :]:
        _remove(path)
    for leftover in folder.glob(f".{key.path}-*.tmp"):  # of a process that died: this one holds the lock
        _remove(leftover)


def _remove(path: Path) -> None:
    # Processes that have it mapped keep it; where open files cannot be removed it is left for the next time.
    with contextlib.suppress(OSError):
        path.unlink()


def _files(path: Path) -> list[Any]:
    """Size and time of the checkpoint's files: of one file, or of those in a folder."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    states = [(file.name, file.stat()) for file in files if file.is_file()]
    return [[name, state.st_size, state.st_mtime_ns] for name, state in states]


def _samples(checkpoint: Checkpoint) -> list[Any]:
    """Both ends of every tensor: other files of a split set, and files whose times were set back, differ in them."""
    samples = []
    for name, info in checkpoint.tensors.items():
        stored = checkpoint.raw(name).reshape(-1)
        ends = stored[:SAMPLE_BYTES].tobytes() + stored[-SAMPLE_BYTES:].tobytes()
        samples.append([name, list(info.shape), info.kind, ends.hex()])
    return samples


def _order(part: StoredPart) -> list[Any]:
    """Rows as they are, or the order itself: a name would outlive a change of what it stands for."""
    order = as_row_order(part.transform)
    return [part.rows, None if order is None else hashlib.sha256(order.row_order(part.rows).tobytes()).hexdigest()]


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
