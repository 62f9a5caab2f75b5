"""GGUF files that were split: ``model-00001-of-00003.gguf`` and so on. The first one carries the key-values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .faults import damaged, unsupported
from .gguf_file import GgufFile, read_gguf

if TYPE_CHECKING:
    from pathlib import Path

    from .checkpoint import StoredTensor

_SPLIT_NAME = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf")


def split_key(path: Path) -> str:
    """Return what all files of one split set have in common; for a file that is not split, its name."""
    match = _SPLIT_NAME.fullmatch(path.name)
    return f"{match['stem']}-of-{match['count']}" if match else path.name


def read_gguf_set(path: Path) -> GgufFile:
    """Read a GGUF file together with the other files of its set, if it is the first of one.

    Raises:
        CheckpointError: A part is missing, the path is not the first part, or the parts do not belong together.
    """
    first = read_gguf(path)
    count = first.metadata.get("split.count", 1)
    if count in (0, 1):
        return first
    tensors = dict(first.tensors)
    for number, part in enumerate(_part_paths(path, count)):
        file = first if number == 0 else read_gguf(part)
        if (file.metadata.get("split.no"), file.metadata.get("split.count")) != (number, count):
            raise damaged(part, f"it does not say that it is part {number + 1} of {count}")
        if number:
            _add(tensors, file)
    expected = first.metadata.get("split.tensors.count", len(tensors))
    if expected != len(tensors):
        raise damaged(path, f"its {count} parts hold {len(tensors)} tensors and should hold {expected}")
    return GgufFile(path, first.metadata, tensors)


def _part_paths(path: Path, promised: object) -> list[Path]:
    match = _SPLIT_NAME.fullmatch(path.name)
    if match is None or int(match["count"]) != promised:
        raise unsupported(
            path,
            f"it is one of {promised} parts, and its name does not say which",
            "Give it its own name back, for example NAME-00001-of-00003.gguf.",
        )
    stem, count = match["stem"], int(match["count"])
    parts = [path.with_name(f"{stem}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    if path != parts[0]:
        raise unsupported(path, f"it is part {int(match['number'])} of {count}", f"Open the first part: {parts[0]}")
    missing = next((part for part in parts if not part.exists()), None)
    if missing is not None:
        raise damaged(path, f"part {missing.name} is missing")
    return parts


def _add(tensors: dict[str, StoredTensor], file: GgufFile) -> None:
    for name, stored in file.tensors.items():
        if name in tensors:
            raise damaged(file.path, f"tensor {name!r} also lies in an earlier part")
        tensors[name] = stored
