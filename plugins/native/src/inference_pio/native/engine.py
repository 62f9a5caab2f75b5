"""The C engine behind a Python object: owns what it points to, and speaks numpy."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ForkedError, NativeError
from .library import Library, load_library
from .structures import (
    PAGE_TOKENS,
    Batch,
    CacheType,
    EngineOptions,
    EngineStats,
    Isa,
    Layer,
    Operation,
    OperationKind,
    Program,
    Vector,
)
from .structures import Weight as WeightStruct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .packing import PackedWeight

_INDICES = ("in_", "out", "weight", "vector", "table", "layer")


def operation(kind: OperationKind, **fields: float) -> Operation:
    """Build one operation; indices that are left out are -1, a scale that is left out is 1, all else 0."""
    values: dict[str, Any] = {"kind": int(kind), "scale": 1.0, **dict.fromkeys(_INDICES, -1), **fields}
    return Operation(**values)


@dataclass(frozen=True)
class ProgramTables:
    """Everything that a program consists of; ``csrc/pio_native.h`` says what each operation reads and writes.

    Attributes:
        buffer_widths: Columns of each float32 buffer.
        operations: In the order in which they run.
        weights: Packed weights; kept alive by the engine.
        vectors: Norm weights and biases, float32.
        tables: Rotary frequencies, radians a position, float32.
        layers: Key/value heads, head width and window (0: none) of each cached layer.
    """

    buffer_widths: Sequence[int]
    operations: Sequence[Operation]
    weights: Sequence[PackedWeight] = ()
    vectors: Sequence[NDArray[np.float32]] = ()
    tables: Sequence[NDArray[np.float32]] = ()
    layers: Sequence[tuple[int, int, int]] = field(default=())


class Engine:
    """Runs a program over batches of tokens, with a cache and threads of its own.

    One call at a time; another thread's call meanwhile is refused, but for ``close``, which waits for it.

    Args:
        tables: The program; checked whole.
        threads: The caller's among them.
        isa: Instruction set.
        cache_type: Of keys and values.
        max_tokens: Longer batches are computed in pieces of so many tokens; bounds the memory of buffers. A sequence
            can go back by so many.

    Raises:
        NativeArgumentError: An operation is wrong; says which.
        NativeUnsupportedError: No kernel for a size.
        NativeUnavailableError: No library, or no such instruction set here.
    """

    def __init__(
        self,
        tables: ProgramTables,
        *,
        threads: int = 1,
        isa: Isa = Isa.AUTO,
        cache_type: CacheType = CacheType.F16,
        max_tokens: int = 512,
    ) -> None:
        self.max_tokens = max_tokens
        self._library: Library = load_library()
        self._engine = ctypes.c_void_p()
        self._inside, self._process = threading.RLock(), os.getpid()
        self._weights = [weight.data for weight in tables.weights]  # borrowed by the engine
        self._widths = list(tables.buffer_widths)
        self._layers, self._cache_type = Counter(tables.layers), cache_type  # equal ones together: there are few kinds
        last = tables.operations[-1] if tables.operations else None
        has_logits = last is not None and last.kind == OperationKind.LOGITS and 0 <= last.weight < len(tables.weights)
        self.logits_width = tables.weights[last.weight].rows if last is not None and has_logits else 0
        options = EngineOptions(int(isa), threads, int(cache_type), max_tokens)
        program, _kept = _c_program(tables)
        self._library.call(
            "pio_engine_create", ctypes.byref(program), ctypes.byref(options), ctypes.byref(self._engine)
        )

    def allocate(self, slots: int, context: int, *, cache_bytes: int = 0) -> None:
        """Make room for sequences; forgets every one that there is.

        Args:
            slots: Sequences.
            context: Tokens of each, at most.
            cache_bytes: What keys and values of all of them may take, at most; 0 for whatever the system gives.
        """
        self._call("pio_engine_allocate", slots, context, cache_bytes)

    def step(
        self,
        tokens: NDArray[np.int64],
        slots: NDArray[np.int64],
        positions: NDArray[np.int64],
        logit_rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Compute M tokens and return the logits of ``logit_rows``, (R, V) float32.

        Raises:
            NativeArgumentError: The arrays disagree, a token lies outside the vocabulary, a position outside the
                context or behind a gap, or a slot outside the slots.
            NativeMemoryError: Keys and values would take more than they may, or than there is; nothing was computed.
        """
        arrays = [np.ascontiguousarray(each, dtype=np.int64) for each in (tokens, slots, positions, logit_rows)]
        if not len(arrays[0]) == len(arrays[1]) == len(arrays[2]):
            raise ValueError("tokens, slots and positions must be of one length")
        pointers = [each.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)) for each in arrays]
        batch = Batch(*pointers, len(arrays[0]), len(arrays[3]))
        logits = np.empty((len(arrays[3]), self.logits_width), dtype=np.float32)
        self._call("pio_engine_step", ctypes.byref(batch), logits.ctypes.data, logits.size)
        return logits

    def free_slot(self, slot: int) -> None:
        """Forget the sequence in a slot."""
        self._call("pio_engine_free_slot", slot)

    @property
    def token_bytes(self) -> int:
        """Bytes of one token's keys and values in all layers: what each takes in a block."""
        return sum(count * self._place_bytes(heads, width) for (heads, width, _), count in self._layers.items())

    def save(self, slot: int, start: int, end: int) -> NDArray[np.uint8] | None:
        """Return a copy of the keys and values of positions ``start`` to ``end - 1``; ``pio_native.h`` says its layout.

        ``None`` when the ring of a sliding layer has overwritten one of them.

        Raises:
            NativeArgumentError: The slot does not hold these positions.
        """
        block, is_saved = np.empty(max(0, end - start) * self.token_bytes, np.uint8), ctypes.c_int32()
        self._call("pio_engine_save", slot, start, end, block.ctypes.data, block.size, ctypes.byref(is_saved))
        return block if is_saved.value else None

    def restore(self, slot: int, start: int, end: int, block: NDArray[np.uint8]) -> None:
        """Copy a block to positions ``start`` to ``end - 1`` of a slot, whose length is ``end`` afterwards.

        Raises:
            NativeArgumentError: The block is not that long, the slot does not reach ``start``, or ``end`` is outside
                the context.
            NativeMemoryError: There is no memory for it; nothing has changed.
        """
        block = np.ascontiguousarray(block)
        self._call("pio_engine_restore", slot, start, end, block.ctypes.data, block.nbytes)

    def read_buffer(self, buffer: int, max_rows: int) -> NDArray[np.float32]:
        """Return a buffer after the last step, (rows of its last piece, width); for tests."""
        width = self._widths[buffer] if 0 <= buffer < len(self._widths) else 1
        out = np.empty((max_rows, width), dtype=np.float32)
        rows = ctypes.c_int64()
        self._call("pio_engine_read_buffer", buffer, out.ctypes.data, out.size, ctypes.byref(rows))
        return out[: rows.value]

    def stats(self) -> Mapping[str, int]:
        """Return the counters of ``pio_engine_stats`` by name."""
        stats = EngineStats()
        self._call("pio_engine_get_stats", ctypes.byref(stats))
        return {name: getattr(stats, name) for name, _ in EngineStats._fields_}

    def bytes_per_token(self, context: int) -> int:
        """Return the bytes of weights, keys and values that one token after ``context`` tokens of a sequence reads."""
        cached = sum(
            count * self._place_bytes(heads, width) * min(context, window or context)
            for (heads, width, window), count in self._layers.items()
        )
        return self.stats()["weight_bytes"] + cached

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        """Return the bytes that the pages of sequences of these lengths take, tokens; asks nothing of the engine."""
        tokens = np.array(lengths, np.int64)
        pages = -(-tokens // PAGE_TOKENS)
        total = 0
        for (heads, width, window), count in self._layers.items():
            # A ring is as long as what a piece of max_tokens tokens sees, in whole pages from any place on.
            ring = -(-(window + self.max_tokens) // PAGE_TOKENS) + 1
            own = np.minimum(pages, ring) if window else pages
            total += count * int(own.sum()) * PAGE_TOKENS * self._place_bytes(heads, width)
        return total

    def close(self) -> None:
        """End the threads and give the memory back, after another thread's call if one runs. Safe to call twice."""
        if os.getpid() == self._process:  # else a thread that was not copied may hold it for ever
            self._inside.acquire()
        if self._engine.value is not None:
            engine = ctypes.c_void_p(self._engine.value)
            self._engine.value = None  # in place, for whoever has the object in its hands
            self._library.destroy_engine(engine)
        self._weights = []
        if os.getpid() == self._process:
            self._inside.release()

    def __del__(self) -> None:
        if getattr(self, "_engine", None):
            self.close()

    def _place_bytes(self, heads: int, width: int) -> int:
        """Bytes of one token's key and value in a layer."""
        return 2 * heads * width * (2 if self._cache_type is CacheType.F16 else 4)

    def _call(self, name: str, *arguments: object) -> None:
        if not self._inside.acquire(blocking=False):
            if os.getpid() != self._process:
                raise ForkedError("this process was forked while the engine was computing; load the model again")
            raise NativeError("another thread is inside this engine")
        try:
            self._library.call(name, self._engine, *arguments)
        finally:
            self._inside.release()


def _c_program(tables: ProgramTables) -> tuple[Program, list[object]]:
    """Build the C program, and return with it what must live until the call is over."""
    vectors = [np.ascontiguousarray(each, dtype=np.float32) for each in (*tables.vectors, *tables.tables)]
    structs = [Vector(each.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), each.size) for each in vectors]
    n_vectors = len(tables.vectors)
    arrays = (
        (ctypes.c_int32 * len(tables.buffer_widths))(*tables.buffer_widths),
        (Operation * len(tables.operations))(*tables.operations),
        (WeightStruct * len(tables.weights))(*(weight.struct() for weight in tables.weights)),
        (Vector * n_vectors)(*structs[:n_vectors]),
        (Vector * (len(structs) - n_vectors))(*structs[n_vectors:]),
        (Layer * len(tables.layers))(*(Layer(heads, width, window, 0) for heads, width, window in tables.layers)),
    )
    sizes = tuple(len(each) for each in arrays)
    return Program(*arrays, *sizes), [vectors, arrays]
