"""Random numbers that depend on (seed, draw, token id) and on nothing else.

A generator with a state would give other numbers when a token is skipped or a request is resumed, so there is none:
every number is a hash of where it is used. The hash is SplitMix64 (Steele, Lea, Flood 2014), started at a point that
BLAKE2b takes from seed and draw; token ``i`` gets the stream's i-th number, and only tokens still in the race cost.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(0x3FF0000000000000)
_AT_ONCE = 16_384
"""Tokens that are computed at once: their intermediate results stay in the processor's cache."""
_FEW = 500
"""Tokens up to which it is quicker to compute all scores than to ask which ones matter."""
_ROUNDING = 1e-9
"""Far more than rounding moves a score, relative; far less than scores differ by."""


def start_of_stream(seed: int, draw: int) -> int:
    """Return where the stream of one draw starts, 64 bits. ``seed`` may be any integer, negative and large ones too."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(draw.to_bytes(8, "little"))
    digest.update(seed.to_bytes(seed.bit_length() // 8 + 1, "little", signed=True))
    return int.from_bytes(digest.digest(), "little")


def exponential_draws(seed: int, draw: int, token_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one Exp(1) number a token.

    Args:
        seed: Any integer.
        draw: How many tokens this seed has drawn before, from 0.
        token_ids: Tokens in the race, (N,) int64.

    Returns:
        (N,) float64, positive and finite.
    """
    draws: NDArray[np.float64] = -np.log(_uniform(np.uint64(start_of_stream(seed, draw)) + _steps(token_ids)))
    return draws


def race_winner(seed: int, draw: int, weights: NDArray[np.float32], token_ids: NDArray[np.int64] | None = None) -> int:
    """Return the place of the largest ``weight / exponential_draws``, the first one among equals.

    Most tokens get no logarithm: 1 - u is never more than -log u, so ``weight / (1 - u)`` bounds a score from above,
    and only what reaches the best score known is computed. The winner is the same.

    Args:
        seed: Any integer.
        draw: How many tokens this seed has drawn before, from 0.
        weights: (N,) float32, not negative, at least one positive.
        token_ids: Whose weights they are, (N,) int64; default: tokens 0 to N - 1.
    """
    if token_ids is not None and len(token_ids) <= _FEW:
        return int(np.argmax(weights / exponential_draws(seed, draw, token_ids)))
    start = np.uint64(start_of_stream(seed, draw))
    steps = _steps_of_all(len(weights)) if token_ids is None else _steps(token_ids)
    winner, best = 0, 0.0
    state = np.empty(min(_AT_ONCE, len(weights)), np.uint64)
    for begin in range(0, len(weights), _AT_ONCE):
        some = weights[begin : begin + _AT_ONCE]
        uniform = _uniform(np.add(steps[begin : begin + _AT_ONCE], start, out=state[: len(some)]))
        bounds = np.subtract(1.0, uniform)  # without rounding
        np.divide(some, bounds, out=bounds)
        likely = int(np.argmax(bounds))
        if bounds[likely] < best * (1 - _ROUNDING):
            continue
        known = max(best, float(_scores(some, uniform, np.array([likely]))[0]))
        places = np.flatnonzero(bounds >= known * (1 - _ROUNDING))
        scores = _scores(some, uniform, places)
        first = int(np.argmax(scores))
        if scores[first] > best:
            winner, best = begin + int(places[first]), float(scores[first])
    return winner


def _scores(
    weights: NDArray[np.float32], uniform: NDArray[np.float64], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = weights[places] / -np.log(uniform[places])
    return scores


def _steps(token_ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return how far from its start a stream has the numbers of tokens."""
    steps = token_ids.astype(np.uint64)
    steps += np.uint64(1)
    steps *= _GAMMA
    return steps


@functools.lru_cache(maxsize=4)
def _steps_of_all(count: int) -> NDArray[np.uint64]:
    steps = _steps(np.arange(count))
    steps.flags.writeable = False
    return steps


def _uniform(state: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Mix states into SplitMix64's numbers, in place, and return them as numbers in (0, 1)."""
    shifted = np.empty_like(state)
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        state ^= np.right_shift(state, np.uint64(shift), out=shifted)
        state *= factor
    state ^= np.right_shift(state, np.uint64(31), out=shifted)
    # The upper 52 bits as the fraction of a float in [1, 2): several times cheaper than converting. Then moved by half
    # a step, so that neither 0 nor 1 comes up.
    state >>= np.uint64(12)
    state |= _ONE
    uniform = state.view(np.float64)
    uniform -= 1.0 - 2.0**-53
    return uniform
