"""``TokenBatch``: the one thing that travels from the scheduler to an executor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenBatch:
    """Tokens to compute in one step: any mix of prefill chunks and single decode tokens of any number of sequences.

    The tokens of one slot stand together and in the order of their positions.

    Attributes:
        tokens: Token ids, (M,) int64.
        slots: Cache slot of each token, (M,) int64.
        positions: Absolute position of each token in its sequence, (M,) int64, from 0.
        logit_rows: Rows of the batch whose logits are wanted, (R,) int64, ascending.
    """

    tokens: NDArray[np.int64]
    slots: NDArray[np.int64]
    positions: NDArray[np.int64]
    logit_rows: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not (self.tokens.shape == self.slots.shape == self.positions.shape) or self.tokens.ndim != 1:
            raise ValueError("tokens, slots and positions must be vectors of one length")
        if len(self.tokens) == 0:
            raise ValueError("a batch needs at least one token")

    @cached_property
    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row and number of rows of each sequence in the batch, (n,) int64 each."""
        if len(self.slots) == 1:  # every token of a chat
            return np.zeros(1, np.int64), np.ones(1, np.int64)
        starts = np.flatnonzero(np.diff(self.slots, prepend=-1))
        return starts, np.diff(starts, append=len(self.slots))

    @classmethod
    def of_sequence(cls, tokens: list[int] | NDArray[np.int64], *, start: int = 0, slot: int = 0) -> TokenBatch:
        """A chunk of one sequence from position ``start`` on, with logits of every row."""
        ids = np.asarray(tokens, dtype=np.int64)
        rows = np.arange(len(ids), dtype=np.int64)
        return cls(ids, np.full(len(ids), slot, np.int64), rows + start, rows)
