"""``CacheBudget``: how many sequences of what length may have keys and values in memory at once. Numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

from inference_pio.errors import CacheFullError
from inference_pio.memory import machine_memory

if TYPE_CHECKING:
    from .sequence import Sequence

CACHE_SHARE = 0.5
"""Of the memory that is free when an engine starts, what keys and values may take. The rest is for the next model, for
activations, and for whatever else the machine does."""

PREFIX_SHARE = 0.1
"""Of the same memory, what the prefix cache may take."""

PAGE_TOKENS = 64
"""Tokens by which a growing sequence asks for more, and the headroom that a new one leaves to everybody: so that it is
not sent away again at once, and that ``cache_bytes`` is asked once in so many steps of a sequence."""


def share_of_memory(share: float) -> int | None:
    """Return a share of what is free now, bytes, a container's limit respected; ``None`` if the system does not say."""
    available = machine_memory().available
    return None if available is None else int(share * available)


class CacheBudget:
    """Sets memory aside for sequences, in pages and before it is used, so that no step exceeds the budget.

    Args:
        cache_bytes: ``Executor.cache_bytes``.
        limit: Bytes that keys and values may take; ``None`` for any number.
        context: Longest sequence, tokens.

    Raises:
        CacheFullError: Not even two tokens of one sequence fit.
    """

    def __init__(self, cache_bytes: Callable[[SequenceOf[int]], int], limit: int | None, context: int) -> None:
        self.bytes_of, self.limit = cache_bytes, limit
        self.used = 0
        """Bytes that are set aside, as of the last ``count``."""
        self.longest = self._longest(context)
        """Most tokens of a sequence that has the budget for itself, in slot 0; at most the context."""

    def reserve(self, sequence: Sequence, tokens: int) -> None:
        """Set memory aside for so many tokens of a sequence and a page more, as far as it can get."""
        sequence.reserved = min(tokens + PAGE_TOKENS, sequence.end)

    def count(self, running: SequenceOf[Sequence]) -> bool:
        """Add up what is set aside for the sequences that run, and return whether it fits."""
        self.used = self.bytes_of(_by_slot((sequence.slot, sequence.reserved) for sequence in running))
        return self.limit is None or self.used <= self.limit

    def has_room(self, running: SequenceOf[Sequence], slot: int, tokens: int) -> bool:
        """Whether so many tokens in one more slot fit, with a page more for everybody who can still grow."""
        if self.limit is None:
            return True
        lengths = [(sequence.slot, min(sequence.reserved + PAGE_TOKENS, sequence.end)) for sequence in running]
        return self.bytes_of(_by_slot([*lengths, (slot, tokens)])) <= self.limit

    def _longest(self, context: int) -> int:
        if self.limit is None or self.bytes_of([context]) <= self.limit:
            return context
        fits, does_not = 0, context  # halving the distance, for the bytes are any growing function of the length
        while does_not - fits > 1:
            middle = (fits + does_not) // 2
            if self.bytes_of([middle]) <= self.limit:
                fits = middle
            else:
                does_not = middle
        if fits < 2:
            raise CacheFullError(
                f"keys and values of two tokens take {self.bytes_of([2])} bytes, and the budget is {self.limit}; raise "
                "cache_bytes, or free memory and load the model again"
            )
        return fits


def _by_slot(lengths: Iterable[tuple[int, int]]) -> list[int]:
    """Return lengths in the order of their slots, 0 for the empty ones between."""
    by_slot = dict(lengths)
    return [by_slot.get(slot, 0) for slot in range(max(by_slot, default=-1) + 1)]
