"""Each sampling step against its definition: the tokens it can give, and how often it gives them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference_pio.generation import SamplingOptions
from inference_pio.runtime.sampling import Sampler
from inference_pio.runtime.sampling.selection import largest, nucleus

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The definitions, as their papers and the options' documentation have them: in plain Python, slowly.

Distribution = dict[int, float]
"""Probability by token id."""


def define_softmax(logits: Sequence[float], temperature: float = 1.0) -> Distribution:
    peak = max(logits)
    weights = [math.exp((value - peak) / temperature) for value in logits]
    total = math.fsum(weights)
    return {token: weight / total for token, weight in enumerate(weights)}


def renormalized(kept: Distribution) -> Distribution:
    total = math.fsum(kept.values())
    return {token: p / total for token, p in kept.items()}


def ranked(distribution: Distribution) -> list[int]:
    """Likeliest first; of equals the lower id first."""
    return sorted(distribution, key=lambda token: (-distribution[token], token))


def define_top_k(distribution: Distribution, k: int) -> Distribution:
    return renormalized({token: distribution[token] for token in ranked(distribution)[:k]})


def define_top_p(distribution: Distribution, p: float) -> Distribution:
    kept: Distribution = {}
    for token in ranked(distribution):
        kept[token] = distribution[token]
        if math.fsum(kept.values()) >= p:
            break
    return renormalized(kept)


def define_min_p(distribution: Distribution, p: float) -> Distribution:
    floor = p * max(distribution.values())
    return renormalized({token: value for token, value in distribution.items() if value >= floor})


def define_biased(logits: Sequence[float], bias: Mapping[int, float]) -> list[float]:
    return [value + bias.get(token, 0.0) for token, value in enumerate(logits)]


def define_repetition(logits: Sequence[float], seen: set[int], penalty: float) -> list[float]:
    return [
        value if token not in seen else value * penalty if value < 0 else value / penalty
        for token, value in enumerate(logits)
    ]


def define_occurrence(logits: Sequence[float], answer: Sequence[int], presence: float, frequency: float) -> list[float]:
    return [
        value - frequency * answer.count(token) - (presence if token in answer else 0.0)
        for token, value in enumerate(logits)
    ]


DRAWS = 4000
# Fixed seeds make these tests deterministic. The bound is the chi-square distribution's 99.9 % point, approximated by
# Wilson and Hilferty: a sampler with the right probabilities passes for nearly every seed, a wrong one for none.
Z_999 = 3.09


def row(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def drawn(logits: NDArray[np.float32], draws: int = DRAWS, **options: Any) -> Counter[int]:
    counts: Counter[int] = Counter()
    sampler = Sampler(SamplingOptions(seed=7, **options), [], len(logits))
    for _ in range(draws):
        counts[sampler.sample(logits.copy()).token_id] += 1
    return counts


def recorder(seen: list[NDArray[np.float32]]) -> Callable[[Sequence[int], Any], Any]:
    """A logits processor that changes nothing and keeps what it sees."""

    def record(token_ids: Sequence[int], logits: Any) -> Any:
        seen.append(logits.copy())
        return logits

    return record


def assert_follows(counts: Counter[int], expected: Distribution) -> None:
    expected = {token: p for token, p in expected.items() if p > 0}
    assert set(counts) <= set(expected)
    total = sum(counts.values())
    chi_square = sum((counts[token] - total * p) ** 2 / (total * p) for token, p in expected.items())
    freedom = len(expected) - 1
    if freedom == 0:
        return
    spread = 2 / (9 * freedom)
    assert chi_square < freedom * (1 - spread + Z_999 * math.sqrt(spread)) ** 3


LOGITS = row(1.0, 2.5, -0.5, 2.0, 0.0, 1.5, -1.0, 2.2)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7, 50.0])
def test_temperature_divides_the_logits(temperature: float) -> None:
    assert_follows(drawn(LOGITS, temperature=temperature), define_softmax(LOGITS.tolist(), temperature))


@pytest.mark.parametrize("k", [1, 2, 5, 8, 100])
def test_top_k_keeps_the_k_likeliest(k: int) -> None:
    assert_follows(drawn(LOGITS, temperature=1.0, top_k=k), define_top_k(define_softmax(LOGITS.tolist()), k))


@pytest.mark.parametrize("p", [1e-9, 0.2, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_smallest_set_that_reaches_p(p: float) -> None:
    assert_follows(drawn(LOGITS, temperature=1.0, top_p=p), define_top_p(define_softmax(LOGITS.tolist()), p))


@pytest.mark.parametrize("p", [0.05, 0.4, 0.7, 1.0])
def test_min_p_drops_what_is_less_likely_than_a_share_of_the_likeliest(p: float) -> None:
    assert_follows(drawn(LOGITS, temperature=1.0, min_p=p), define_min_p(define_softmax(LOGITS.tolist()), p))


def test_filters_apply_in_the_documented_order() -> None:
    expected = define_softmax(LOGITS.tolist(), 1.3)
    expected = define_min_p(define_top_p(define_top_k(expected, 6), 0.85), 0.3)
    assert_follows(drawn(LOGITS, temperature=1.3, top_k=6, top_p=0.85, min_p=0.3), expected)


def test_temperature_comes_before_top_p() -> None:
    hot_first = define_top_p(define_softmax(LOGITS.tolist(), 3.0), 0.6)
    assert len(hot_first) > len(define_top_p(define_softmax(LOGITS.tolist()), 0.6))
    assert set(drawn(LOGITS, temperature=3.0, top_p=0.6)) == set(hot_first)


def test_logit_bias_adds_to_the_logits() -> None:
    bias = {0: 2.0, 1: -3.0, 6: -math.inf}
    counts = drawn(LOGITS, temperature=1.0, logit_bias=bias)
    assert_follows(counts, define_softmax(define_biased(LOGITS.tolist(), bias)))
    assert counts[6] == 0


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.2, 3.0])
def test_repetition_penalty_covers_prompt_and_answer(penalty: float) -> None:
    prompt, answer = [0, 2, 2], [1, 6]
    options = SamplingOptions(repetition_penalty=penalty)
    sampler = Sampler(options, prompt, len(LOGITS))
    for token in answer:
        forced = np.full(len(LOGITS), -50.0, np.float32)
        forced[token] = 50.0
        assert sampler.sample(forced).token_id == token
    seen: list[NDArray[np.float32]] = []
    probe = Sampler(options, [*prompt, *answer], len(LOGITS), [recorder(seen)])
    probe.sample(LOGITS.copy())
    expected = define_repetition(LOGITS.tolist(), {0, 1, 2, 6}, penalty)
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6)
    assert sampler.sample(LOGITS.copy()).token_id == int(np.argmax(expected))


def test_presence_and_frequency_penalties_cover_the_answer_only() -> None:
    seen: list[NDArray[np.float32]] = []
    answer = [3, 3, 5]
    sampler = Sampler(
        SamplingOptions(presence_penalty=0.7, frequency_penalty=0.25),
        [0, 0, 1],
        len(LOGITS),
        [recorder(seen)],
    )
    for token in answer:
        forced = np.full(len(LOGITS), -50.0, np.float32)
        forced[token] = 50.0
        sampler.sample(forced)
    sampler.sample(LOGITS.copy())
    np.testing.assert_allclose(seen[-1], define_occurrence(LOGITS.tolist(), answer, 0.7, 0.25), rtol=1e-6)


values = st.floats(-20, 20, width=32)


@settings(max_examples=150, deadline=None)
@given(
    logits=st.lists(st.one_of(values, st.sampled_from([0.0, 1.0, -math.inf])), min_size=2, max_size=400),
    k=st.integers(0, 500),
    p=st.floats(0.01, 1.0),
    least=st.floats(0.0, 1.0),
    seed=st.integers(-(2**70), 2**70),
)
@example(logits=[0.0, 2.220446049250313e-16], k=0, p=0.25, least=0.0, seed=0)  # tied once they are weights
def test_a_draw_never_leaves_what_the_definitions_keep(
    logits: list[float], k: int, p: float, least: float, seed: int
) -> None:
    if max(logits) == -math.inf:
        logits = [0.0, *logits]
    options = SamplingOptions(temperature=0.9, top_k=k, top_p=p, min_p=least, seed=seed)
    token = Sampler(options, [], len(logits)).sample(np.array(logits, np.float32)).token_id
    # In float32, two weights that differ in exact arithmetic may tie: allow a hair's breadth at each border.
    hair = 1e-5
    exact = define_softmax(logits, 0.9)
    kept = define_top_k(exact, k or len(logits))
    kept = define_top_p(kept, min(1.0, p + hair))
    kept = define_min_p(kept, max(0.0, least - hair))
    assert exact[token] >= min(exact[other] for other in kept) * (1 - hair)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=2000), st.integers(1, 2200))
def test_the_largest_are_found_whatever_ties_there_are(numbers: list[int], count: int) -> None:
    best = sorted(sorted(range(len(numbers)), key=lambda i: (-numbers[i], i))[:count])
    assert largest(np.array(numbers, np.float32), count).tolist() == best


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.99, 0.99999])
@pytest.mark.parametrize("scale", [0.0, 0.01, 3.0])
def test_the_nucleus_of_a_large_vocabulary_is_the_sorted_one(p: float, scale: float) -> None:
    weights = np.exp(np.random.default_rng(0).standard_normal(50_000) * scale)
    order = np.lexsort((np.arange(len(weights)), -weights))
    reached = np.cumsum(weights[order])
    expected = np.sort(order[: int(np.argmax(reached >= p * weights.sum())) + 1])
    np.testing.assert_array_equal(nucleus(weights, p), expected)
