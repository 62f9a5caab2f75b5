"""Stored bytes to float32, chunk by chunk, so that a tensor of any size needs a few megabytes beside its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .block_kernels import KERNELS
from .block_types import PLAIN_TYPES, BlockType, block_type
from .faults import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

CHUNK_VALUES = 1 << 16
"""Values at once, a multiple of every block length: 256 KiB of float32, which stays in a second-level cache."""

_NUMPY_NAMES = {"F": "<f", "I": "<i", "U": "<u"}


def dequantize_into(data: NDArray[np.uint8], kind: str, out: NDArray[np.float32], *, source: Path) -> None:
    """Convert a whole tensor.

    Args:
        data: The stored bytes, (n_bytes,) uint8.
        kind: Storage type.
        out: Overwritten; as many values as ``data`` holds. Any layout; contiguous is fastest.
        source: The file, for messages.

    Raises:
        CheckpointError: The installed gguf does not know the type.
    """
    stored = block_type(kind)
    convert = _plain_converter(kind) if kind in PLAIN_TYPES else _block_converter(stored, source)
    if out.flags.c_contiguous:
        _convert_chunks(data, stored, convert, out.reshape(-1))
    else:
        whole = np.empty(out.shape, dtype=np.float32)
        _convert_chunks(data, stored, convert, whole.reshape(-1))
        out[...] = whole


def _convert_chunks(
    data: NDArray[np.uint8],
    stored: BlockType,
    convert: Callable[[NDArray[np.uint8], NDArray[np.float32]], None],
    out: NDArray[np.float32],
) -> None:
    blocks = data.reshape(-1, stored.n_bytes)
    values = out.reshape(-1, stored.values)
    step = CHUNK_VALUES // stored.values
    # A damaged scale may be infinite; that shows in the result and needs no warning here.
    with np.errstate(all="ignore"):
        for start in range(0, len(blocks), step):
            convert(blocks[start : start + step], values[start : start + step])


def _plain_converter(kind: str) -> Callable[[NDArray[np.uint8], NDArray[np.float32]], None]:
    if kind == "BF16":
        return _convert_bfloat16
    width = PLAIN_TYPES[kind].n_bytes
    dtype = np.dtype("?" if kind == "BOOL" else f"{_NUMPY_NAMES[kind[0]]}{width}")

    def convert(blocks: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        np.copyto(out, blocks.view(dtype), casting="unsafe")

    return convert


def _convert_bfloat16(blocks: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    # bfloat16 is the upper half of a float32.
    np.left_shift(blocks.view("<u2"), np.uint32(16), out=out.view(np.uint32), dtype=np.uint32)


def _block_converter(stored: BlockType, source: Path) -> Callable[[NDArray[np.uint8], NDArray[np.float32]], None]:
    return KERNELS.get(stored.name) or _gguf_converter(stored, source)


def _gguf_converter(stored: BlockType, source: Path) -> Callable[[NDArray[np.uint8], NDArray[np.float32]], None]:
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    code: Any = getattr(GGMLQuantizationType, stored.name, None)
    too_old = unsupported(
        source, f"the installed gguf cannot dequantize {stored.name}", "Install a newer one: pip install -U gguf"
    )
    if code is None:
        raise too_old

    def convert(blocks: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        try:
            # One long row: gguf works in groups of rows, and blocks as rows would make every group tiny.
            values = dequantize(blocks.reshape(1, -1), code)
        except NotImplementedError as error:
            raise too_old from error
        out.reshape(-1)[...] = values.reshape(-1)

    return convert
