"""An executor without a model that has a real cache: what it answers depends on every place of it that counts."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import CacheFullError
from inference_pio.runtime.batch import TokenBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCAB = 40
PLACE_BYTES = 8
PAGE = 4
POISON = -77
_ROWS = np.random.default_rng(0).normal(scale=2, size=(1 << 12) + VOCAB).astype(np.float32)


class CachingExecutor:
    """Keeps one number a token, made of the token, its position and the number before, and sees those of its window.

    A number that is missing, stale, from another slot or at another place changes all that follows.

    Args:
        max_context: Longest sequence.
        max_rewind: Tokens that a sequence can go back.
        window: Tokens that are seen and, with ``max_rewind`` more, kept; ``None`` for all.
        capacity: Bytes that it has itself; it refuses a step that needs more, before it changes anything.
        is_rectangle: Whether every slot up to the last used one costs as much as the longest, as on torch.
    """

    name = "caching"
    vocab_size = VOCAB

    def __init__(
        self,
        *,
        max_context: int = 160,
        max_rewind: int = 16,
        window: int | None = None,
        capacity: int | None = None,
        is_rectangle: bool = False,
    ) -> None:
        self.max_context, self.max_rewind, self.window = max_context, max_rewind, window
        self.capacity, self.is_rectangle = capacity, is_rectangle
        self.batches: list[TokenBatch] = []
        self.lengths: list[int] = []
        self.restored = 0
        self.on_start: Callable[[TokenBatch], None] = lambda batch: None
        self.on_step: Callable[[TokenBatch], None] = lambda batch: None
        self.on_copy: Callable[[str], None] = lambda what: None

    def allocate(self, slots: int, context: int) -> None:
        self.lengths, self.longest = [0] * slots, [0] * slots
        self.places = np.full((slots, context), POISON, np.int64)

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        paged = [-(-length // PAGE) * PAGE for length in lengths]
        if self.is_rectangle:
            used = [slot + 1 for slot, length in enumerate(lengths) if length]
            return used[-1] * max(paged) * PLACE_BYTES if used else 0
        return sum(paged) * PLACE_BYTES

    def step(self, batch: TokenBatch) -> NDArray[np.float32]:
        self.on_start(batch)
        self.batches.append(batch)
        columns = list(zip(batch.tokens.tolist(), batch.slots.tolist(), batch.positions.tolist(), strict=True))
        after = list(self.lengths)
        for _, slot, position in columns:
            after[slot] = position + 1
        if self.capacity is not None and self.cache_bytes(after) > self.capacity:
            raise CacheFullError("no place")
        wanted, rows = set(batch.logit_rows.tolist()), []
        for row, (token, slot, position) in enumerate(columns):
            assert position <= self.lengths[slot], "a sequence goes on without a gap"
            assert self.longest[slot] - position <= self.max_rewind, "and not too far back"
            places = self.places[slot]
            places[position] = self.mix(int(places[position - 1]) if position else 0, token, position)
            self.lengths[slot] = position + 1
            self.longest[slot] = max(self.longest[slot], position + 1)
            if row in wanted:
                rows.append(self._answer(places[: position + 1]))
        for slot, longest in enumerate(self.longest):
            self.places[slot, : self._first_kept(longest)] = POISON
        self.on_step(batch)  # after the caches are changed, as a failure in the middle would leave them
        return np.stack(rows) if rows else np.zeros((0, VOCAB), np.float32)

    def save(self, slot: int, start: int, end: int) -> NDArray[np.uint8] | None:
        self.on_copy("save")
        assert 0 <= start < end <= self.lengths[slot]
        if start < self._first_kept(self.longest[slot]):
            return None
        block: NDArray[np.uint8] = self.places[slot, start:end].copy().view(np.uint8)
        return block

    def restore(self, slot: int, start: int, block: NDArray[np.uint8]) -> None:
        self.on_copy("restore")
        values = block.view(np.int64)
        assert start == self.lengths[slot]
        self.places[slot, start : start + len(values)] = values
        self.lengths[slot] = self.longest[slot] = start + len(values)
        self.restored += len(values)

    def free(self, slot: int) -> None:
        self.places[slot] = POISON
        self.lengths[slot] = self.longest[slot] = 0

    def close(self) -> None:
        pass

    def logits_after(self, text: Sequence[int]) -> NDArray[np.float32]:
        """What a text is answered, without any cache."""
        places, last = np.zeros(len(text), np.int64), 0
        for position, token in enumerate(text):
            places[position] = last = self.mix(last, token, position)
        return self._answer(places)

    @staticmethod
    def mix(before: int, token: int, position: int) -> int:
        return (before * 31 + token * 1009 + position * 7 + 1) % (1 << 40)

    def _answer(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        seen = places if self.window is None else places[-self.window :]
        at = zlib.crc32(seen.tobytes()) % (1 << 12)
        row: NDArray[np.float32] = _ROWS[at : at + VOCAB].copy()
        return row

    def _first_kept(self, longest: int) -> int:
        return 0 if self.window is None else max(0, longest - self.window - self.max_rewind)


class LoopingExecutor(CachingExecutor):
    """Its answers depend on all places too, but mostly go in a circle of three tokens, so that guesses come true."""

    def _answer(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        row = super()._answer(places)
        row[len(places) % 3] += 9
        return row
