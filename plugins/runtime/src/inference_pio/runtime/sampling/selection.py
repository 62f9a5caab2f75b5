"""Top-k, top-p and min-p over one row, without sorting the vocabulary.

Equal values are ordered by token id, lowest first, so that every filter keeps the same tokens on every machine and
top-k of 1 is greedy. (transformers and vLLM keep all tokens that tie at the border of top-k; llama.cpp keeps k.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 64
"""Values a block: a row is first reduced to the maximum of each block."""
_FIRST_NUCLEUS = 128
"""Tokens that are tried first as a superset of the nucleus; then all that may belong to it."""
_MANY = 500
"""Values from which on sorting whole numbers is quicker than a stable argsort."""


def largest(values: NDArray[np.floating[Any]], count: int) -> NDArray[np.int64]:
    """Return the indices of the ``count`` largest values, ascending; among equals the lowest indices.

    Args:
        values: (N,) without NaN.
        count: How many, at least 1; all of them when it reaches N.

    Returns:
        (min(count, N),) int64.
    """
    if count >= len(values):
        return np.arange(len(values), dtype=np.int64)
    candidates = np.flatnonzero(values >= _floor(values, count))
    if len(candidates) > count:
        chosen = values[candidates]
        border = np.partition(chosen, len(chosen) - count)[len(chosen) - count]
        above = chosen > border
        ties = np.flatnonzero(chosen == border)[: count - int(np.count_nonzero(above))]
        above[ties] = True
        candidates = candidates[above]
    return candidates


def _floor(values: NDArray[np.floating[Any]], count: int) -> Any:
    """Return a value that at least ``count`` values reach: one that ``count`` maxima of blocks reach.

    Partitioning the maxima instead of the row makes top-k of a large vocabulary several times cheaper.
    """
    blocks = len(values) // _BLOCK
    if blocks <= count:
        return -np.inf
    # Values that lie ``blocks`` apart make a block: so numpy compares whole rows, which is several times faster.
    maxima = values[: blocks * _BLOCK].reshape(_BLOCK, blocks).max(axis=0)
    return np.partition(maxima, blocks - count)[blocks - count]


def descending(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the indices that sort ``values``, (N,) without NaN, from large to small, equals by index; (N,) int64."""
    if values.dtype != np.float32 or len(values) < _MANY:
        return np.argsort(-values, kind="stable")
    # Sorting whole numbers is many times faster than a stable argsort: the value's bits, in its order, and the index.
    bits = (np.float32(0) - values).view(np.uint32)  # the same for both zeros
    bits ^= np.where(bits >> np.uint32(31), np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    keys = bits.astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(values), dtype=np.uint64)
    keys.sort()
    order: NDArray[np.int64] = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return order


def nucleus(weights: NDArray[np.floating[Any]], top_p: float) -> NDArray[np.int64]:
    """Return the smallest set of tokens whose share of all weight reaches ``top_p``; never empty.

    Args:
        weights: Unnormalised probabilities, (N,), not negative, at least one positive.
        top_p: In (0, 1].

    Returns:
        Indices, ascending, int64. The token that crosses ``top_p`` belongs to the set (Holtzman et al. 2019).
    """
    total = float(weights.sum(dtype=np.float64))
    wanted = top_p * total
    # What is lighter than this is lighter than 1 - top_p in all, so the rest reaches top_p: half of it, for rounding.
    candidates = np.flatnonzero(weights >= 0.5 * (1 - top_p) * total / len(weights))
    size = _FIRST_NUCLEUS
    while True:
        values = weights[candidates]
        superset = largest(values, size)
        order = superset[descending(values[superset])]
        reached = np.cumsum(values[order], dtype=np.float64)
        if reached[-1] >= wanted or len(order) == len(weights):
            return np.sort(candidates[order[: int(np.searchsorted(reached, wanted)) + 1]])
        if len(order) == len(candidates):  # top_p is 1 but for rounding
            candidates = np.arange(len(weights), dtype=np.int64)
        size = len(weights)
