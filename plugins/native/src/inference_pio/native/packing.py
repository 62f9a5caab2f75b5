"""Packed weights: from a checkpoint's bytes to the kernels' layout, and back to float32."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.cores import usable_cores

from .errors import NativeUnsupportedError
from .library import load_library
from .structures import ALIGNMENT, Format, Source, Weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROWS_AT_ONCE = 1024
"""Rows that one thread packs before it takes the next; a multiple of the rows of a block."""


@dataclass(frozen=True)
class PackedWeight:
    """A weight in the kernels' layout.

    Attributes:
        format: How its bytes are to be read.
        rows: Output width N.
        columns: Input width K.
        data: (``packed_bytes(format, rows, columns)``,) uint8, aligned to 64 bytes; may be a view of a mapped file.
    """

    format: Format
    rows: int
    columns: int
    data: NDArray[np.uint8]

    def struct(self) -> Weight:
        """Return the C view of this weight, valid as long as ``data`` is."""
        return Weight(int(self.format), 0, self.rows, self.columns, self.data.ctypes.data, self.data.nbytes)

    def unpack(self, first_row: int = 0, rows: int | None = None) -> NDArray[np.float32]:
        """Return rows as float32, (rows, K): the bits that dequantizing the checkpoint gives."""
        count = self.rows - first_row if rows is None else rows
        out = np.empty((max(count, 0), self.columns), dtype=np.float32)
        weight = self.struct()
        load_library().call("pio_unpack", ctypes.byref(weight), first_row, count, out.ctypes.data, out.size)
        return out


def source_of(kind: str) -> Source:
    """Return the source of a storage type as checkpoints name it: ``Q4_K``, ``BF16``.

    Raises:
        NativeUnsupportedError: No packed format holds it exactly.
    """
    try:
        return Source[kind]
    except KeyError:
        raise NativeUnsupportedError(
            f"no native weight layout holds {kind}; there is one for {', '.join(Source.__members__)}"
        ) from None


def exact_format(source: Source) -> Format:
    """Return the format that holds a source's values exactly in the fewest bytes."""
    out = ctypes.c_int32()
    load_library().call("pio_format_of", int(source), ctypes.byref(out))
    return Format(out.value)


def packed_bytes(format: Format, rows: int, columns: int) -> int:
    """Return the bytes of a packed weight.

    Raises:
        NativeUnsupportedError: The format cannot hold so many columns.
        NativeArgumentError: A size is senseless.
    """
    out = ctypes.c_int64()
    load_library().call("pio_weight_bytes", int(format), rows, columns, ctypes.byref(out))
    return out.value


def aligned_zeros(n_bytes: int) -> NDArray[np.uint8]:
    """Return (n_bytes,) zeros whose first byte stands where the kernels want it."""
    room = np.zeros(n_bytes + ALIGNMENT, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + n_bytes]


def pack(
    parts: Sequence[tuple[Source, NDArray[np.uint8]]],
    columns: int,
    *,
    format: Format | None = None,
    out: NDArray[np.uint8] | None = None,
    threads: int | None = None,
) -> PackedWeight:
    """Pack tensors of K columns into one weight, stacked in their order.

    Args:
        parts: Source and stored bytes, (rows, bytes of a row) uint8 as ``Checkpoint.raw`` gives them, of each tensor.
        columns: K.
        format: Target; exact when ``None``. ``W8_S`` and ``W4_SM`` round float sources: see ``relative_error``.
        out: Where to, zeros, aligned; a new array when ``None``.
        threads: At once; ``None`` for as many as this process may use.

    Raises:
        NativeUnsupportedError: The tensors do not go into one format, or K does not fit it.
        NativeArgumentError: Bytes and sizes disagree.
    """
    formats = {exact_format(source) if format is None else format for source, _ in parts}
    if len(formats) != 1:
        names = ", ".join(sorted(item.name for item in formats)) or "nothing"
        raise NativeUnsupportedError(f"tensors of different formats cannot be one weight: {names}")
    target = formats.pop()
    total = sum(len(data) for _, data in parts)
    data = aligned_zeros(packed_bytes(target, total, columns)) if out is None else out
    with ThreadPoolExecutor(threads or usable_cores()) as workers:
        jobs = []
        first = 0
        for source, stored in parts:
            for start in range(0, len(stored), ROWS_AT_ONCE):
                rows = np.ascontiguousarray(stored[start : start + ROWS_AT_ONCE])
                jobs.append(workers.submit(_pack_rows, source, rows, columns, target, data, total, first + start))
            first += len(stored)
        for job in jobs:
            job.result()
    return PackedWeight(target, total, columns, data)


def relative_error(packed: PackedWeight, original: NDArray[np.float32]) -> float:
    """Return what rounding lost: root mean square of the difference over that of ``original``, (N, K)."""
    difference = np.float64(0)
    for start in range(0, packed.rows, ROWS_AT_ONCE):
        rows = original[start : start + ROWS_AT_ONCE]
        difference += np.square(packed.unpack(start, len(rows)) - rows, dtype=np.float64).sum()
    scale = np.square(original, dtype=np.float64).sum()
    return float(np.sqrt(difference / scale)) if scale else 0.0


def _pack_rows(
    source: Source,
    rows: NDArray[np.uint8],
    columns: int,
    format: Format,
    out: NDArray[np.uint8],
    total: int,
    first: int,
) -> None:
    arguments = (int(source), rows.ctypes.data, rows.nbytes, len(rows), columns, int(format))
    load_library().call("pio_pack", *arguments, out.ctypes.data, out.nbytes, total, first)
