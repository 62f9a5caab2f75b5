"""Random numbers that depend on (seed, draw, token id) and on nothing else.

A generator with a state would give other numbers when a token is skipped or a request is resumed, so there is none:
every number is a hash of where it is used. The hash is SplitMix64 (Steele, Lea, Flood 2014), started at a point that
BLAKE2b takes from seed and draw; token ``i`` gets the stream's i-th number, and only tokens still in the race cost.
"""

from __future__ import annotations

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
    start = np.uint64(start_of_stream(seed, draw))
    draws = np.empty(len(token_ids), np.float64)
    for begin in range(0, len(token_ids), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        np.log(_uniform(start, token_ids[part]), out=draws[part])
    return np.negative(draws, out=draws)


def _uniform(start: np.uint64, token_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return SplitMix64's numbers at ``token_ids``, in (0, 1)."""
    state = token_ids.astype(np.uint64)
    state += np.uint64(1)
    state *= _GAMMA
    state += start
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        state ^= state >> np.uint64(shift)
        state *= factor
    state ^= state >> np.uint64(31)
    # The upper 52 bits as the fraction of a float in [1, 2): several times cheaper than converting. Then moved by half
    # a step, so that neither 0 nor 1 comes up.
    state >>= np.uint64(12)
    state |= _ONE
    uniform = state.view(np.float64)
    uniform -= 1.0 - 2.0**-53
    return uniform
