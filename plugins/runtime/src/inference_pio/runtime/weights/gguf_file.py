"""The GGUF header and tensor table, versions 2 and 3, little endian; checked whole before anything is allocated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .block_types import BlockType, gguf_type
from .checkpoint import StoredTensor, TensorInfo
from .faults import damaged, unsupported
from .gguf_values import HeaderCursor, Metadata
from .mapped_file import MappedFile

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 16
"""Largest sane ``general.alignment``, bytes; real files use 32."""
MAX_DIMENSIONS = 4
_MIN_ENTRY_BYTES = 8 + 1 + 4 + 1
"""A key-value: length, one letter, type, one byte of value. A tensor takes more."""


@dataclass(frozen=True)
class GgufFile:
    """A parsed file: its key-values, and its tensors in the file's order."""

    path: Path
    metadata: Metadata
    tensors: dict[str, StoredTensor]


@dataclass(frozen=True)
class _Entry:
    """A row of the tensor table; ``offset`` counts from the start of the data."""

    info: TensorInfo
    offset: int


def read_gguf(path: Path) -> GgufFile:
    """Map a GGUF file and read its header.

    Raises:
        WeightsNotFoundError: There is no such file.
        CheckpointError: Anything in it is wrong, or is not supported.
    """
    file = MappedFile(path)
    cursor = HeaderCursor(file)
    _check_magic(file, cursor)
    n_tensors, n_values = cursor.uint64("the number of tensors"), cursor.uint64("the number of key-values")
    for count, what in ((n_tensors, "tensors"), (n_values, "key-values")):
        if count > cursor.left // _MIN_ENTRY_BYTES:
            raise damaged(path, f"it claims {count} {what} in the {cursor.left} bytes left")
    metadata = _read_metadata(cursor, n_values)
    alignment = _alignment(path, metadata)
    entries = [_read_entry(cursor, index, alignment) for index in range(n_tensors)]
    data_start = -(-cursor.position // alignment) * alignment
    return GgufFile(path, Metadata(metadata), _locate(file, entries, data_start))


def _check_magic(file: MappedFile, cursor: HeaderCursor) -> None:
    magic = file.buffer[: len(MAGIC)]
    if magic != MAGIC:
        raise damaged(file.path, f"it starts with {magic!r} where a GGUF file has {MAGIC!r}")
    cursor.take(len(MAGIC), "the magic number")
    version = cursor.uint32("the version")
    if version in VERSIONS:
        return
    if int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS:
        raise unsupported(file.path, "it is big endian", "Get the little-endian file of the same model.")
    raise unsupported(
        file.path,
        f"it has GGUF version {version}; versions 2 and 3 can be read",
        "Convert the model again with a current converter, or update inference-pio-runtime.",
    )


def _read_metadata(cursor: HeaderCursor, count: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for index in range(count):
        key = cursor.name(f"key {index}")
        if key in values:
            raise damaged(cursor.file.path, f"key {key!r} occurs twice")
        values[key] = cursor.value(f"the value of {key!r}")
    return values


def _alignment(path: Path, metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    sane = isinstance(alignment, int) and 0 < alignment <= MAX_ALIGNMENT and alignment & (alignment - 1) == 0
    if not sane or isinstance(alignment, bool):
        raise damaged(path, f"general.alignment is {alignment!r}; a power of two up to {MAX_ALIGNMENT} is possible")
    return int(alignment)


def _read_entry(cursor: HeaderCursor, index: int, alignment: int) -> _Entry:
    name = cursor.name(f"the name of tensor {index}")
    what = f"tensor {name!r}"
    shape = _read_shape(cursor, what)
    code, offset = cursor.uint32(what), cursor.uint64(what)
    kind = gguf_type(code)
    if kind is None:
        raise unsupported(
            cursor.file.path,
            f"{what} has the type number {code}, which cannot be turned into numbers here",
            "Take a file with another quantization, or update inference-pio-runtime.",
        )
    if offset % alignment:
        raise damaged(cursor.file.path, f"{what} starts at {offset}, which is not a multiple of {alignment} bytes")
    return _Entry(TensorInfo(name, shape, kind.name, _n_bytes(cursor, shape, kind, what)), offset)


def _read_shape(cursor: HeaderCursor, what: str) -> tuple[int, ...]:
    n_dims = cursor.uint32(what)
    if not 1 <= n_dims <= MAX_DIMENSIONS:
        raise damaged(cursor.file.path, f"{what} has {n_dims} dimensions; 1 to {MAX_DIMENSIONS} are possible")
    dims = [cursor.uint64(what) for _ in range(n_dims)]
    if 0 in dims:
        raise damaged(cursor.file.path, f"{what} has a dimension of length 0: {dims}")
    return tuple(reversed(dims))


def _n_bytes(cursor: HeaderCursor, shape: tuple[int, ...], kind: BlockType, what: str) -> int:
    if shape[-1] % kind.values:
        raise damaged(
            cursor.file.path, f"{what} has rows of {shape[-1]} values, not a multiple of {kind.name}'s {kind.values}"
        )
    # Python's integers cannot overflow; a size beyond the file is refused when the tensor is located.
    return math.prod(shape) // kind.values * kind.n_bytes


def _locate(file: MappedFile, entries: list[_Entry], data_start: int) -> dict[str, StoredTensor]:
    tensors: dict[str, StoredTensor] = {}
    for entry in entries:
        name, start = entry.info.name, data_start + entry.offset
        if name in tensors:
            raise damaged(file.path, f"tensor {name!r} occurs twice")
        end = start + entry.info.n_bytes
        if end > file.size:
            raise damaged(
                file.path, f"tensor {name!r} ends at byte {end} of a file that has {file.size}; is it cut off?"
            )
        tensors[name] = StoredTensor(entry.info, file.array[start:end])
    _refuse_overlaps(file, entries)
    return tensors


def _refuse_overlaps(file: MappedFile, entries: list[_Entry]) -> None:
    ordered = sorted(entries, key=lambda entry: entry.offset)
    for before, after in pairwise(ordered):
        if before.offset + before.info.n_bytes > after.offset:
            raise damaged(file.path, f"tensors {before.info.name!r} and {after.info.name!r} overlap")
