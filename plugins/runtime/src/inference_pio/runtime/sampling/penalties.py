"""Penalties for tokens that were seen before: which tokens, how often, and what it does to their logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class TokenCounts:
    """How often each token was seen, as two parallel vectors that grow: a step costs what it changes."""

    def __init__(self, token_ids: Iterable[int] = ()) -> None:
        self._place: dict[int, int] = {}
        self._ids = np.zeros(64, np.int64)
        self._counts = np.zeros(64, np.float32)
        for token_id in token_ids:
            self.add(token_id)

    def add(self, token_id: int) -> None:
        """Count one more occurrence."""
        place = self._place.setdefault(token_id, len(self._place))
        if place == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._ids[place] = token_id
        self._counts[place] += 1

    @property
    def token_ids(self) -> NDArray[np.int64]:
        """Distinct tokens, (N,) int64, in the order they were first seen."""
        return self._ids[: len(self._place)]

    @property
    def counts(self) -> NDArray[np.float32]:
        """Occurrences of each of ``token_ids``, (N,) float32."""
        return self._counts[: len(self._place)]


def penalize_repetition(logits: NDArray[np.float32], seen: TokenCounts, penalty: float) -> None:
    """Divide positive and multiply negative logits of seen tokens by ``penalty`` (Keskar et al. 2019), in place."""
    chosen = logits[seen.token_ids]
    logits[seen.token_ids] = np.where(chosen < 0, chosen * penalty, chosen / penalty)


def penalize_occurrence(logits: NDArray[np.float32], seen: TokenCounts, presence: float, frequency: float) -> None:
    """Subtract ``presence`` once and ``frequency`` per occurrence from logits of seen tokens, in place."""
    logits[seen.token_ids] -= presence + frequency * seen.counts
