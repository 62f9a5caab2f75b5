"""How far each slot's sequence has been computed, and whether a batch goes on from there. Numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import CacheFullError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .batch import TokenBatch


class SequenceLengths:
    """Tokens in the cache of each slot: what every executor checks a batch against before it computes anything.

    Args:
        slots: Sequences that can be cached at once.
        context: Places a sequence has, tokens.
    """

    def __init__(self, slots: int, context: int) -> None:
        self.lengths: NDArray[np.int64] = np.zeros(slots, np.int64)
        self.context = context

    @property
    def is_empty(self) -> bool:
        """Whether no slot holds a token."""
        return not self.lengths.any()

    def advance(self, batch: TokenBatch) -> None:
        """Check that every sequence goes on where its cache ends, and count its tokens.

        Raises:
            CacheFullError: A position lies outside the context, or a slot outside the slots; nothing was counted.
            ValueError: A sequence does not go on where it ends.
        """
        lowest, highest = int(batch.slots.min()), int(batch.slots.max())
        if lowest < 0 or highest >= len(self.lengths):
            wrong = lowest if lowest < 0 else highest
            raise CacheFullError(f"slot {wrong} is not among the {len(self.lengths)} allocated ones")
        if batch.positions.max() >= self.context:
            raise CacheFullError(f"position {batch.positions.max()} is outside the context of {self.context} tokens")
        starts, lengths = batch.spans
        slots = batch.slots[starts]
        expected = np.repeat(self.lengths[slots] - starts, lengths) + np.arange(len(batch.slots))
        if len(set(slots.tolist())) != len(slots) or not np.array_equal(batch.positions, expected):
            raise ValueError("a slot's tokens must stand together and continue its sequence without a gap")
        self.lengths[slots] += lengths

    def forget(self, slot: int) -> int:
        """Empty a slot and return how many tokens it held; a slot that does not exist holds none."""
        if not 0 <= slot < len(self.lengths):
            return 0
        held = int(self.lengths[slot])
        self.lengths[slot] = 0
        return held
