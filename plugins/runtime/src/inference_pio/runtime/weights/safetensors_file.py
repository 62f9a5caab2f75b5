"""One ``.safetensors`` file: an 8-byte length, a JSON header, then the tensors without gaps.

The header is read here and not by the ``safetensors`` library because raw bytes must stay reachable, memory-mapped, and
because messages must name the tensor at fault. The tests compare both readers, on sound files and on damaged ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .block_types import PLAIN_TYPES
from .checkpoint import StoredTensor, TensorInfo
from .faults import damaged, unsupported
from .json_file import parse_json_object
from .mapped_file import MappedFile

if TYPE_CHECKING:
    from pathlib import Path

MAX_HEADER_BYTES = 100_000_000
"""The limit of the reference implementation, bytes."""
_LENGTH_BYTES = 8
_MAX_DIMENSION = 1 << 63


class _Entry(NamedTuple):
    """A tensor of the header; ``start`` and ``end`` count from the end of the header."""

    start: int
    end: int
    info: TensorInfo


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Map a safetensors file and read its header.

    Raises:
        WeightsNotFoundError: There is no such file.
        CheckpointError: Anything in it is wrong, or is not supported.
    """
    file = MappedFile(path)
    header, data_start = _read_header(file)
    # The name is last so that equal offsets (empty tensors) never compare descriptions.
    entries = sorted((_read_entry(path, name, fields) for name, fields in header.items()), key=lambda e: e[:2])
    _check_layout(file, entries, data_start)
    return {e.info.name: StoredTensor(e.info, file.array[data_start + e.start : data_start + e.end]) for e in entries}


def _read_header(file: MappedFile) -> tuple[dict[str, Any], int]:
    if file.size < _LENGTH_BYTES:
        raise damaged(file.path, f"it has {file.size} bytes, too few for a header")
    length = int.from_bytes(file.buffer[:_LENGTH_BYTES], "little")
    if length > min(MAX_HEADER_BYTES, file.size - _LENGTH_BYTES):
        raise damaged(file.path, f"it claims a header of {length} bytes in a file of {file.size}")
    data_start = _LENGTH_BYTES + length
    header = parse_json_object(file.path, file.buffer[_LENGTH_BYTES:data_start])
    header.pop("__metadata__", None)
    return header, data_start


def _read_entry(path: Path, name: str, fields: Any) -> _Entry:
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"tensor {name!r} does not have exactly dtype, shape and data_offsets")
    kind, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(kind, str) or kind not in PLAIN_TYPES:
        raise unsupported(
            path, f"tensor {name!r} has the type {kind!r}, which cannot be read", "Convert it to BF16, F16 or F32."
        )
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise damaged(path, f"tensor {name!r} has shape {shape!r} and offsets {offsets!r}, which make no sense")
    n_bytes = math.prod(shape) * PLAIN_TYPES[kind].n_bytes
    start, end = offsets
    if end - start != n_bytes:
        raise damaged(path, f"tensor {name!r} of {n_bytes} bytes lies at {start} to {end}")
    return _Entry(start, end, TensorInfo(name, tuple(shape), kind, n_bytes))


def _are_sizes(numbers: Any) -> bool:
    # A type test, not isinstance: true and false are integers to Python.
    return (
        isinstance(numbers, list)
        and len(numbers) <= 64  # numpy's limit on dimensions
        and all(type(number) is int and 0 <= number < _MAX_DIMENSION for number in numbers)
    )


def _check_layout(file: MappedFile, entries: list[_Entry], data_start: int) -> None:
    """Refuse overlaps, gaps and bytes that belong to no tensor, as the format demands: nothing can hide in a file."""
    position = 0
    for entry in entries:
        if entry.start != position:
            fault = "overlaps the one before it" if entry.start < position else "leaves a gap before it"
            raise damaged(file.path, f"tensor {entry.info.name!r} {fault}")
        position = entry.end
    size = file.size - data_start
    if position != size:
        fault = "is it cut off?" if position > size else "what are the others?"
        raise damaged(file.path, f"its tensors take {position} bytes and it holds {size}; {fault}")
