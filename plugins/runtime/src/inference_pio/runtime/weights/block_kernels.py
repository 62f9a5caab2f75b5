"""Dequantization of the commonest GGUF block types in numpy, several times faster than ``gguf``'s and equal to the bit.

N is the number of blocks. A kernel gets blocks, (N, bytes of a block) uint8, and fills ``out``, (N, values of a block)
float32. The arithmetic is in ``gguf``'s order, since float32 rounding depends on it; what differs is that integers are
converted straight into ``out`` and scaled there, and that nibbles are split over whole chunks, not block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]

Kernel = Callable[["Bytes", "Floats"], None]


def _half(blocks: Bytes, index: int) -> Floats:
    """Return the half-precision number at 2-byte position ``index`` of each block, (N, 1) float32."""
    return blocks.view(np.float16)[:, index : index + 1].astype(np.float32)


def _convert(integers: NDArray[Any], out: Floats) -> None:
    np.copyto(out, integers, casting="unsafe")


def _dequantize_q4_0(blocks: Bytes, out: Floats) -> None:
    low, high = blocks & np.uint8(15), blocks >> np.uint8(4)
    _convert(low.view(np.int8)[:, 2:], out[:, :16])
    _convert(high.view(np.int8)[:, 2:], out[:, 16:])
    out -= np.float32(8)
    out *= _half(blocks, 0)


def _dequantize_q4_1(blocks: Bytes, out: Floats) -> None:
    low, high = blocks & np.uint8(15), blocks >> np.uint8(4)
    _convert(low[:, 4:], out[:, :16])
    _convert(high[:, 4:], out[:, 16:])
    out *= _half(blocks, 0)
    out += _half(blocks, 1)


def _dequantize_q5_0(blocks: Bytes, out: Floats) -> None:
    # Bit j of the four bytes after the scale is the fifth bit of value j.
    values = np.unpackbits(blocks[:, 2:6], axis=1, bitorder="little")
    values <<= np.uint8(4)
    values[:, :16] |= (blocks & np.uint8(15))[:, 6:]
    values[:, 16:] |= (blocks >> np.uint8(4))[:, 6:]
    _convert(values, out)
    out -= np.float32(16)
    out *= _half(blocks, 0)


def _dequantize_q8_0(blocks: Bytes, out: Floats) -> None:
    _convert(blocks.view(np.int8)[:, 2:], out)
    out *= _half(blocks, 0)


def _six_bit_scales(packed: Bytes) -> tuple[Bytes, Bytes]:
    """Unpack the 12 bytes of 6-bit scales and minima of Q4_K, (N, 12), to two arrays (N, 8)."""
    first, second, mixed = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([first & 63, (mixed & 15) | ((first >> 2) & 48)], axis=1)
    minima = np.concatenate([second & 63, (mixed >> 4) | ((second >> 2) & 48)], axis=1)
    return scales, minima


def _dequantize_q4_k(blocks: Bytes, out: Floats) -> None:
    # Eight groups of 32 values; bytes 32 i ... 32 i + 31 hold group 2 i in their low and 2 i + 1 in their high nibbles.
    groups = out.reshape(-1, 4, 2, 32)
    _convert((blocks & np.uint8(15))[:, 16:].reshape(-1, 4, 32), groups[:, :, 0])
    _convert((blocks >> np.uint8(4))[:, 16:].reshape(-1, 4, 32), groups[:, :, 1])
    scales, minima = _six_bit_scales(blocks[:, 4:16])
    out_groups = out.reshape(-1, 8, 32)
    out_groups *= (_half(blocks, 0) * scales.astype(np.float32))[:, :, None]
    out_groups -= (_half(blocks, 1) * minima.astype(np.float32))[:, :, None]


def _dequantize_q6_k(blocks: Bytes, out: Floats) -> None:
    # Two halves of 128 values; in each, 64 bytes hold the low four bits and 32 bytes the high two bits.
    low = blocks[:, :128].reshape(-1, 2, 64)
    high = blocks[:, 128:192].reshape(-1, 2, 32)
    values = np.empty((len(blocks), 2, 4, 32), dtype=np.uint8)
    np.bitwise_and(low, np.uint8(15), out=values[:, :, :2].reshape(-1, 2, 64))
    np.right_shift(low, np.uint8(4), out=values[:, :, 2:].reshape(-1, 2, 64))
    for quarter in range(4):
        values[:, :, quarter] |= ((high >> np.uint8(2 * quarter)) & np.uint8(3)) << np.uint8(4)
    _convert(values.reshape(-1, 256), out)
    out -= np.float32(32)
    scales = blocks[:, 192:208].view(np.int8).astype(np.float32)
    groups = out.reshape(-1, 16, 16)
    groups *= (_half(blocks, 104) * scales)[:, :, None]


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "Q4_0": _dequantize_q4_0,
        "Q4_1": _dequantize_q4_1,
        "Q5_0": _dequantize_q5_0,
        "Q8_0": _dequantize_q8_0,
        "Q4_K": _dequantize_q4_k,
        "Q6_K": _dequantize_q6_k,
    }
)
"""Kernels by type name; every other quantized type goes through ``gguf.quants.dequantize``."""
