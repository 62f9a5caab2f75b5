"""How far each slot's sequence has been computed, and whether a batch goes on from there. Numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import CacheFullError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .batch import TokenBatch


MAX_REWIND = 16
"""Tokens that a sequence can go back on torch: so much longer than its window is the ring of a sliding layer."""


def ring_places(window: int) -> int:
    """Return how many places the ring of a sliding layer has on torch, tokens; position p lies at p modulo it."""
    return window + MAX_REWIND


class SequenceLengths:
    """Tokens in the cache of each slot: what every executor checks a batch against before it computes anything.

    Args:
        slots: Sequences that can be cached at once.
        context: Places a sequence has, tokens.
        max_rewind: Tokens that a sequence can go back.
    """

    def __init__(self, slots: int, context: int, max_rewind: int) -> None:
        self.lengths: NDArray[np.int64] = np.zeros(slots, np.int64)
        # A ring has overwritten what is too far before the end, even if that end was taken back since.
        self.longest: NDArray[np.int64] = np.zeros(slots, np.int64)
        """The most that each slot has held since it was last empty."""
        self.context, self.max_rewind = context, max_rewind

    @property
    def is_empty(self) -> bool:
        """Whether no slot holds a token."""
        return not self.lengths.any()

    def advance(self, batch: TokenBatch) -> None:
        """Check that every sequence goes on where its cache ends or goes back a little, and count its tokens.

        Raises:
            CacheFullError: A position lies outside the context, or a slot outside the slots; nothing was counted.
            ValueError: A sequence does not go on where it ends, or goes back too far; nothing was counted.
        """
        self._check_slot(int(batch.slots.min()))
        self._check_slot(int(batch.slots.max()))
        self._check_position(int(batch.positions.max()))
        starts, lengths = batch.spans
        slots, firsts = batch.slots[starts], batch.positions[starts]
        expected = np.repeat(firsts - starts, lengths) + np.arange(len(batch.slots))
        is_torn = len(set(slots.tolist())) != len(slots) or not np.array_equal(batch.positions, expected)
        if is_torn or np.any(firsts > self.lengths[slots]) or firsts.min() < 0:
            raise ValueError("a slot's tokens must stand together and continue its sequence without a gap")
        self._check_rewind(int((self.longest[slots] - firsts).max()))
        self.lengths[slots] = firsts + lengths
        self.longest[slots] = np.maximum(self.longest[slots], self.lengths[slots])

    def check_held(self, slot: int, start: int, end: int) -> None:
        """Check that a sequence holds positions ``start`` to ``end - 1``, at least one.

        Raises:
            CacheFullError: The slot is outside the slots.
            ValueError: It does not hold them.
        """
        self._check_slot(slot)
        if not 0 <= start < end <= self.lengths[slot]:
            raise ValueError(f"slot {slot} holds {self.lengths[slot]} tokens, and no positions {start} to {end - 1}")

    def append_block(self, slot: int, start: int, block: NDArray[np.uint8], token_bytes: int) -> int:
        """Check that a saved block goes on where a sequence ends, count its tokens, and return the new length.

        Args:
            slot: Of the sequence.
            start: Position of the first token of the block.
            block: See ``SavesCache``.
            token_bytes: Of every token in a block.

        Raises:
            CacheFullError: It reaches beyond the context, or the slot is outside the slots; nothing was counted.
            ValueError: It is no block, or the sequence does not end at ``start``; nothing was counted.
        """
        self._check_slot(slot)
        if block.dtype != np.uint8 or block.ndim != 1 or not block.size or block.size % token_bytes:
            raise ValueError(
                f"a block is a vector of uint8, {token_bytes} for each token; {block.dtype} {block.shape} is none"
            )
        if start != self.lengths[slot]:
            raise ValueError(f"slot {slot} holds {self.lengths[slot]} tokens: no block can be put at position {start}")
        end = start + block.size // token_bytes
        self._check_position(end - 1)
        self._check_rewind(int(self.longest[slot]) - start)
        self.lengths[slot] = end
        self.longest[slot] = max(self.longest[slot], end)
        return end

    def forget(self, slot: int) -> int:
        """Empty a slot and return the most tokens it has held; a slot that does not exist holds none."""
        if not 0 <= slot < len(self.lengths):
            return 0
        held = int(self.longest[slot])
        self.lengths[slot] = self.longest[slot] = 0
        return held

    def _check_slot(self, slot: int) -> None:
        if not 0 <= slot < len(self.lengths):
            raise CacheFullError(f"slot {slot} is not among the {len(self.lengths)} allocated ones")

    def _check_position(self, position: int) -> None:
        if position >= self.context:
            raise CacheFullError(f"position {position} is outside the context of {self.context} tokens")

    def _check_rewind(self, tokens: int) -> None:
        if tokens > self.max_rewind:
            raise ValueError(f"a sequence cannot go back by {tokens} tokens, only by {self.max_rewind}")
