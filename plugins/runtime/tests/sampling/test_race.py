"""What is left out of the race and of the nucleus for speed changes neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference_pio.runtime.sampling.draws import exponential_draws, race_winner
from inference_pio.runtime.sampling.selection import descending, nucleus

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = [2, 499, 501, 16_383, 16_384, 16_385, 49_152]


def weights_of(kind: str, count: int, seed: int) -> NDArray[np.float32]:
    chance = np.random.default_rng(seed)
    logits = {
        "flat": np.zeros(count),
        "few values": np.round(chance.standard_normal(count)),
        "spread": chance.standard_normal(count) * 3,
        "peaked": chance.standard_normal(count) * 30,  # most weights are 0 or subnormal
    }[kind].astype(np.float32)
    weights: NDArray[np.float32] = np.exp(logits - logits.max())
    return weights


KINDS = ["flat", "few values", "spread", "peaked"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", SIZES)
def test_the_winner_is_the_largest_of_all_scores(kind: str, count: int) -> None:
    for seed in range(20):
        weights = weights_of(kind, count, seed)
        scores = weights / exponential_draws(seed, 3, np.arange(count))
        assert race_winner(seed, 3, weights) == np.argmax(scores)
        ids = np.flatnonzero(np.random.default_rng(seed).random(count) < 0.7)
        if len(ids):
            expected = np.argmax(weights[ids] / exponential_draws(seed, 3, ids))
            assert race_winner(seed, 3, weights[ids], ids) == expected


def test_the_first_of_equal_scores_wins() -> None:
    ids = np.tile(np.arange(600), 40)  # every token many times, also in other parts of the row
    weights = np.ones(len(ids), np.float32)
    for seed in range(20):
        assert race_winner(seed, 0, weights, ids) < 600


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top_p", [1e-300, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9, 1 - 2**-53])
def test_the_nucleus_is_what_sorting_the_whole_row_gives(kind: str, top_p: float) -> None:
    for count in (1, 2, 129, 3000):
        weights = weights_of(kind, count, seed=count)
        order = np.argsort(-weights, kind="stable")
        reached = np.cumsum(weights[order], dtype=np.float64)
        size = int(np.searchsorted(reached, top_p * float(weights.sum(dtype=np.float64)))) + 1
        assert nucleus(weights, top_p).tolist() == sorted(order[:size].tolist())


def test_a_number_next_to_one_loses_no_winner() -> None:
    seed, draw, count = 0, 11_236, 16_384  # found by search: its smallest draw is below 1e-9
    draws = exponential_draws(seed, draw, np.arange(count))
    assert draws.min() < 1e-9
    assert race_winner(seed, draw, np.ones(count, np.float32)) == np.argmin(draws)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_values_keep_their_order(dtype: type[np.floating[Any]]) -> None:
    values = np.random.default_rng(1).standard_normal(5000)
    values[:4000] = np.round(values[:4000])
    values[::7], values[3::7], values[5::50], values[6::50], values[8::50] = 0.0, -0.0, np.inf, -np.inf, 1e-45
    values = values.astype(dtype)
    assert np.array_equal(descending(values), np.argsort(-values, kind="stable"))
    assert len(descending(values[:0])) == 0
