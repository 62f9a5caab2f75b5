"""``NativeExecutor``: a decode program on the compiled kernels."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from inference_pio.errors import CacheFullError, NotLoadedError
from inference_pio.memory import machine_memory
from inference_pio.runtime.sequence_lengths import SequenceLengths

from .errors import NativeError, NativeMemoryError
from .structures import Isa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.runtime.batch import TokenBatch

    from .engine import Engine

IDLE_BYTES = 256 << 20
"""Bytes of caches that stay allocated while no sequence runs, so that the next turn of a chat need not grow anew."""


CACHE_SHARE = 0.9
"""Of the memory that is free, what keys and values may take: better a request refused than a process that the system
ends."""


class NativeExecutor:
    """Computes batches in one call each; implements ``Executor``, ``SavesCache`` and ``CountsReads``.

    A block is what ``pio_engine_save`` writes: by layer and key head, in half precision, keys in the order in which the
    cache has them, then values. A sliding layer keeps the last ``max_tokens`` tokens and its window at least.

    Args:
        engine: With its program and weights.
        vocab_size: Width V of a row of logits.
        max_context: Longest sequence, tokens.
        remark: What the name says beside the instruction set: ``w8``.
    """

    def __init__(self, engine: Engine, *, vocab_size: int, max_context: int, remark: str = "") -> None:
        stats = engine.stats()
        self.engine: Engine | None = engine
        words = ("native", remark, Isa(stats["isa"]).name.lower(), "cpu", f"{stats['threads']} threads")
        self.name = " ".join(filter(None, words))
        self.vocab_size, self.max_context, self.max_rewind = vocab_size, max_context, engine.max_tokens
        self.sequences = SequenceLengths(0, 0, self.max_rewind)

    def allocate(self, slots: int, context: int) -> None:
        """See ``Executor``; memory is taken as sequences grow."""
        sequences = SequenceLengths(slots, min(context, self.max_context), self.max_rewind)
        engine = self._engine()
        engine.allocate(slots, sequences.context, cache_bytes=_free_bytes(engine))
        self.sequences = sequences

    def step(self, batch: TokenBatch) -> NDArray[np.float32]:
        """See ``Executor``."""
        engine = self._engine()
        with self._taken_back_on_failure():
            self.sequences.advance(batch)
            return engine.step(batch.tokens, batch.slots, batch.positions, batch.logit_rows)

    def save(self, slot: int, start: int, end: int) -> NDArray[np.uint8] | None:
        """See ``SavesCache``."""
        engine = self._engine()
        self.sequences.check_held(slot, start, end)
        return engine.save(slot, start, end)

    def restore(self, slot: int, start: int, block: NDArray[np.uint8]) -> None:
        """See ``SavesCache``."""
        engine = self._engine()
        with self._taken_back_on_failure():
            end = self.sequences.append_block(slot, start, block, engine.token_bytes)
            engine.restore(slot, start, end, block)

    @contextmanager
    def _taken_back_on_failure(self) -> Iterator[None]:
        lengths, longest = self.sequences.lengths.copy(), self.sequences.longest.copy()
        try:
            yield
        except NativeError as error:  # nothing was computed
            self.sequences.lengths[:], self.sequences.longest[:] = lengths, longest
            if isinstance(error, NativeMemoryError):
                raise CacheFullError(
                    f"no memory is left for the KV cache: {error}. A smaller --context or fewer requests at once help"
                ) from error
            raise
        except BaseException:  # interrupted, and perhaps computed: the sequences go back
            self.sequences.lengths[:] = lengths
            raise

    def free(self, slot: int) -> None:
        """See ``Executor``; nothing happens once it is closed."""
        if self.engine is None or not self.sequences.forget(slot):
            return
        if self.sequences.is_empty and self.engine.stats()["cache_bytes"] > IDLE_BYTES:
            self.allocate(len(self.sequences.lengths), self.sequences.context)
        else:
            self.engine.free_slot(slot)

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        """See ``Executor``; 0 once it is closed."""
        return self.engine.cache_bytes(lengths) if self.engine is not None else 0

    def bytes_per_token(self, context: int) -> int:
        """See ``CountsReads``; 0 once it is closed."""
        return self.engine.bytes_per_token(context) if self.engine is not None else 0

    def close(self) -> None:
        """See ``Executor``."""
        engine, self.engine = self.engine, None
        self.sequences = SequenceLengths(0, 0, 0)
        if engine is not None:
            engine.close()

    def _engine(self) -> Engine:
        if self.engine is None:
            raise NotLoadedError("the executor has been closed; load the model again")
        return self.engine


def _free_bytes(engine: Engine) -> int:
    """What keys and values may take; 0, no limit, where the system does not say what is free."""
    free = machine_memory().available
    return 0 if free is None else max(1, int(CACHE_SHARE * (free + engine.stats()["cache_bytes"])))
