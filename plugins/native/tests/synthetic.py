"""Random weights of every storage type, packed, and small programs to run them in."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_pio.native.engine import Engine, ProgramTables, operation
from inference_pio.native.library import Library
from inference_pio.native.packing import PackedWeight, pack
from inference_pio.native.structures import Operation, OperationKind, Source
from inference_pio.runtime.weights.block_types import block_type
from inference_pio.runtime.weights.dequantize import dequantize_into

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Arrays = tuple[Ints, Ints, Ints, Ints]

# Where the half-precision scales of a block lie, bytes from its start.
SCALES = {
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q8_0": (0,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}
QUANTIZED = tuple(SCALES)
PLAIN = ("F32", "F16", "BF16")


def stored_rows(kind: str, rows: int, columns: int, rng: np.random.Generator, *, scale: float = 0.01) -> Bytes:
    """Random rows as a checkpoint stores them, (rows, bytes of a row); every integer that the type has occurs."""
    if kind in PLAIN:
        values = (rng.standard_normal((rows, columns)) * scale).astype(np.float32)
        return as_stored(kind, values)
    stored = block_type(kind)
    blocks = rng.integers(0, 256, (rows * columns // stored.values, stored.n_bytes), dtype=np.uint8)
    for start in SCALES[kind]:
        halves = (rng.standard_normal(len(blocks)) * scale).astype(np.float16)
        blocks[:, start : start + 2] = halves.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


def as_stored(kind: str, values: Floats) -> Bytes:
    if kind == "BF16":
        halves: Bytes = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16).view(np.uint8)
        return halves
    return values.astype(np.float32 if kind == "F32" else np.float16).view(np.uint8)


def dequantized(kind: str, stored: Bytes, columns: int) -> Floats:
    out = np.empty((len(stored), columns), np.float32)
    dequantize_into(np.ascontiguousarray(stored).reshape(-1), kind, out, source=Path("synthetic"))
    return out


def random_weight(kind: str, rows: int, columns: int, rng: np.random.Generator, **options: Any) -> PackedWeight:
    return pack([(Source[kind], stored_rows(kind, rows, columns, rng, **options))], columns)


def quantized(library: Library, isa: int, x: Floats) -> tuple[NDArray[np.int8], Floats, NDArray[np.int32]]:
    """Return integers (M, K), scales (M, K / 32) and sums (M, K / 32) of activations."""
    tokens, columns = x.shape
    q = np.empty((tokens, columns), np.int8)
    scales = np.empty((tokens, columns // 32), np.float32)
    sums = np.empty((tokens, columns // 32), np.int32)
    library.call(
        "pio_quantize", isa, x.ctypes.data, tokens, columns, q.ctypes.data, scales.ctypes.data, sums.ctypes.data
    )
    return q, scales, sums


def product(library: Library, isa: int, weight: PackedWeight, x: Floats) -> Floats:
    out = np.empty((len(x), weight.rows), np.float32)
    struct = weight.struct()
    library.call("pio_product", isa, ctypes.byref(struct), x.ctypes.data, len(x), out.ctypes.data, out.size)
    return out


@dataclass
class Assembly:
    """A program under construction; every method returns the index of what it added."""

    widths: list[int] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    weights: list[PackedWeight] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)
    tables: list[Floats] = field(default_factory=list)
    layers: list[tuple[int, int, int]] = field(default_factory=list)

    def buffer(self, width: int) -> int:
        self.widths.append(width)
        return len(self.widths) - 1

    def weight(self, weight: PackedWeight) -> int:
        self.weights.append(weight)
        return len(self.weights) - 1

    def rows(self, values: Floats) -> int:
        """A buffer whose row t holds row t of ``values`` for token t: EMBED from a float32 weight."""
        stored = as_stored("F32", np.ascontiguousarray(values, np.float32))
        weight = self.weight(pack([(Source.F32, stored)], values.shape[1]))
        buffer = self.buffer(values.shape[1])
        self.add(OperationKind.EMBED, out=buffer, weight=weight)
        return buffer

    def vector(self, values: Floats) -> int:
        self.vectors.append(values.astype(np.float32))
        return len(self.vectors) - 1

    def table(self, frequencies: Floats) -> int:
        self.tables.append(frequencies.astype(np.float32))
        return len(self.tables) - 1

    def layer(self, kv_heads: int, width: int, window: int = 0) -> int:
        self.layers.append((kv_heads, width, window))
        return len(self.layers) - 1

    def add(self, kind: OperationKind, **fields: Any) -> None:
        self.operations.append(operation(kind, **fields))

    def engine(self, *, slots: int = 1, context: int = 4096, **options: Any) -> Engine:
        parts = (self.widths, self.operations, self.weights, self.vectors, self.tables, self.layers)
        engine = Engine(ProgramTables(*parts), **options)
        engine.allocate(slots, context)
        return engine


def batch(*spans: tuple[int, int, int], tokens: Ints | None = None, logits: Any = None) -> Arrays:
    """Arguments of ``Engine.step`` for (slot, first position, number) spans; by default tokens count up, all logits."""
    count = sum(n for _, _, n in spans)
    slots = np.concatenate([np.full(n, slot, np.int64) for slot, _, n in spans])
    positions = np.concatenate([np.arange(first, first + n, dtype=np.int64) for _, first, n in spans])
    ids = np.arange(count, dtype=np.int64) if tokens is None else tokens
    rows = np.arange(count, dtype=np.int64) if logits is None else np.asarray(logits, np.int64)
    return ids, slots, positions, rows
