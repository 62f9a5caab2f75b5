from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference_pio.errors import HookError, InferencePioError, InvalidOptionError
from inference_pio.generation import SamplingOptions
from inference_pio.runtime.sampling import Sampler
from inference_pio.runtime.sampling.draws import exponential_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCAB = 500
WARM: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95}


def rows(count: int, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal((count, VOCAB)) * 3).astype(np.float32)


def sampled(logits: NDArray[np.float32], **options: Any) -> list[int]:
    sampler = Sampler(SamplingOptions(**options), [], VOCAB)
    return [sampler.sample(row.copy()).token_id for row in logits]


def test_greedy_takes_the_largest_and_the_lowest_of_equals() -> None:
    logits = np.zeros((1, VOCAB), np.float32)
    logits[0, [7, 40, 41]] = 2.0
    assert sampled(logits) == [7]
    assert sampled(logits, temperature=0.0, top_p=0.5, seed=3) == [7]
    assert sampled(logits, temperature=1e-9) == [7]
    assert sampled(logits, temperature=1.0, top_k=1) == [7]
    assert sampled(logits, temperature=1.0, top_p=1e-6) == [7]


def test_min_p_of_one_keeps_all_that_tie_for_the_likeliest() -> None:
    logits = np.zeros((300, VOCAB), np.float32)
    logits[:, [7, 40, 41]] = 2.0
    assert set(sampled(logits, temperature=1.0, min_p=1.0, seed=1)) == {7, 40, 41}


def test_a_seed_gives_the_same_tokens_on_every_run() -> None:
    logits = rows(50)
    assert sampled(logits, seed=5, **WARM) == sampled(logits, seed=5, **WARM)
    assert sampled(logits, seed=5, **WARM) != sampled(logits, seed=6, **WARM)


def test_a_seed_never_changes_its_tokens_between_versions() -> None:
    # Users note seeds down. Whoever changes the draws changes these numbers, and must say so in the release notes.
    logits = np.sin(np.arange(8 * VOCAB, dtype=np.float64)).astype(np.float32).reshape(8, VOCAB)
    assert sampled(logits, seed=1, temperature=1.0) == SEED_ONE


SEED_ONE = [121, 44, 350, 54, 138, 190, 75, 339]


def test_draw_n_depends_on_seed_and_n_only() -> None:
    logits = rows(20)
    whole = sampled(logits, seed=5, **WARM)
    other_start = logits.copy()
    other_start[:10] = rows(10, seed=9)
    assert sampled(other_start, seed=5, **WARM)[10:] == whole[10:]


def test_greedy_steps_before_do_not_shift_the_draws() -> None:
    logits = rows(20)
    certain = logits.copy()
    certain[:10, 3] = 1000.0
    assert sampled(certain, seed=5, **WARM)[10:] == sampled(logits, seed=5, **WARM)[10:]


def test_noise_in_the_last_bits_does_not_change_the_tokens() -> None:
    logits = rows(2000)
    noisy = logits + np.random.default_rng(1).uniform(-1e-5, 1e-5, logits.shape).astype(np.float32)
    plain, shaken = sampled(logits, seed=2, **WARM), sampled(noisy, seed=2, **WARM)
    # One in 10,000 tokens may be a near-tie; the inverse of the cumulative distribution would lose ten times as many.
    assert sum(a != b for a, b in zip(plain, shaken, strict=True)) <= 2


def test_without_a_seed_two_samplers_differ() -> None:
    logits = rows(50)
    assert sampled(logits, **WARM) != sampled(logits, **WARM)


def test_the_fresh_seed_is_told_and_repeats_the_draws() -> None:
    first = Sampler(SamplingOptions(**WARM), [], VOCAB)
    tokens = [first.sample(row.copy()).token_id for row in rows(20)]
    assert sampled(rows(20), seed=first.seed, **WARM) == tokens


@pytest.mark.parametrize("seed", [0, -1, 1, 2**63, 2**64, -(2**64), 2**20000], ids=lambda seed: seed.bit_length())
def test_every_whole_number_is_a_seed_of_its_own(seed: int) -> None:
    logits = rows(50)
    assert sampled(logits, seed=seed, **WARM) != sampled(logits, seed=seed + 1, **WARM)


def test_draws_are_independent_uniform_numbers() -> None:
    draws = np.stack([exponential_draws(3, n, np.arange(400)) for n in range(400)])
    uniform = np.exp(-draws)
    assert uniform.min() > 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 4 / math.sqrt(12 * uniform.size)
    for a, b in ((uniform[:, :-1], uniform[:, 1:]), (uniform[:-1], uniform[1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / math.sqrt(a.size)
    counts = np.histogram(uniform, bins=100, range=(0, 1))[0]
    expected = uniform.size / 100
    assert ((counts - expected) ** 2 / expected).sum() < 150  # 99 degrees of freedom: 99.9 % lie below 149


def test_impossible_tokens_are_never_drawn() -> None:
    logits = np.full((500, VOCAB), -np.inf, np.float32)
    logits[:, [3, 9]] = [0.0, -2.0]
    assert set(sampled(logits, temperature=2.0, seed=1)) == {3, 9}
    assert set(sampled(logits, temperature=2.0, top_k=50, top_p=0.9999, min_p=1e-6, seed=1)) == {3, 9}


@pytest.mark.parametrize("options", [{}, WARM])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_an_error(options: dict[str, Any], bad: float) -> None:
    logits = rows(1)
    logits[0, 77] = bad
    with pytest.raises(InferencePioError, match="the logit of token 77 is"):
        sampled(logits, **options)


@pytest.mark.parametrize("options", [{}, WARM])
def test_no_token_left_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(InferencePioError, match="no token is left"):
        sampled(np.full((1, VOCAB), -np.inf, np.float32), **options)


def test_a_row_of_another_width_is_an_error() -> None:
    with pytest.raises(InferencePioError, match="expected a row of 500 logits"):
        Sampler(SamplingOptions(), [], VOCAB).sample(np.zeros(501, np.float32))


def test_a_prompt_token_outside_the_vocabulary_is_an_error() -> None:
    with pytest.raises(InvalidOptionError, match="prompt token 500 lies outside"):
        Sampler(SamplingOptions(), [1, 500], VOCAB)


def test_logprobs_are_those_of_the_model_before_all_changes() -> None:
    logits = rows(1)[0]
    options = SamplingOptions(
        temperature=0.5, top_k=3, logit_bias={8: 100.0}, repetition_penalty=2.0, logprobs=4, seed=1
    )
    exact = logits.astype(np.float64)
    exact -= np.log(np.exp(exact).sum())
    result = Sampler(options, [1, 2], VOCAB).sample(logits.copy())
    assert result.token_id == 8
    assert result.logprob is not None
    assert result.logprob.token_id == 8
    assert result.logprob.logprob == pytest.approx(exact[8], abs=1e-5)
    best = np.argsort(-exact)[:4]
    assert [token for token, _ in result.logprob.top] == best.tolist()
    np.testing.assert_allclose([p for _, p in result.logprob.top], exact[best], atol=1e-5)


def test_logprobs_are_reported_only_when_asked_for() -> None:
    assert Sampler(SamplingOptions(), [], VOCAB).sample(rows(1)[0]).logprob is None
    chosen = Sampler(SamplingOptions(logprobs=0), [], VOCAB).sample(rows(1)[0]).logprob
    assert chosen is not None
    assert chosen.top == ()


def test_processors_see_all_tokens_and_the_penalized_logits_in_their_order() -> None:
    calls: list[tuple[str, list[int], float]] = []

    def first(token_ids: Sequence[int], logits: Any) -> Any:
        calls.append(("first", list(token_ids), float(logits[4])))
        logits[4] = 50.0
        return logits

    def second(token_ids: Sequence[int], logits: Any) -> Any:
        calls.append(("second", list(token_ids), float(logits[4])))
        return np.where(np.arange(VOCAB) == 5, 90.0, logits)

    sampler = Sampler(SamplingOptions(logit_bias={4: 1.5}), [1, 2], VOCAB, [first, second])
    assert sampler.sample(np.zeros(VOCAB, np.float32)).token_id == 5
    sampler.sample(np.zeros(VOCAB, np.float32))
    assert calls == [
        ("first", [1, 2], 1.5), ("second", [1, 2], 50.0),
        ("first", [1, 2, 5], 1.5), ("second", [1, 2, 5], 50.0),
    ]  # fmt: skip


@pytest.mark.parametrize("answer", [None, np.zeros(3, np.float32), np.zeros(VOCAB, np.int64)])
def test_a_processor_that_does_not_return_logits_is_named(answer: Any) -> None:
    def broken(token_ids: Sequence[int], logits: Any) -> Any:
        return answer

    with pytest.raises(HookError, match="broken, which returned"):
        Sampler(SamplingOptions(), [], VOCAB, [broken]).sample(rows(1)[0])


def test_the_public_names_are_listed() -> None:
    from inference_pio.runtime import sampling

    assert sampling.__all__ == ["SampledToken", "Sampler", "TokenConstraint", "validate_sampling"]


def test_an_interrupt_before_the_token_is_told_counts_nothing(monkeypatch):
    """The engine computes the step again and samples anew: the same seed must give the same token."""
    options = SamplingOptions(temperature=1.0, seed=3, logprobs=1, presence_penalty=0.5)
    table = rows(6)
    expected = Sampler(options, [1], VOCAB)
    wanted = [expected.sample(row.copy()).token_id for row in table]
    sampler = Sampler(options, [1], VOCAB)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    got = []
    for number, row in enumerate(table):
        if number == 2:
            with monkeypatch.context() as patch:
                patch.setattr("inference_pio.runtime.sampling.sampler.report_logprob", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    sampler.sample(row.copy())
        got.append(sampler.sample(row.copy()).token_id)
    assert got == wanted


class Alphabet:
    """Allows what is left of a set of tokens, each once."""

    def __init__(self, *token_ids: int) -> None:
        self.left = list(token_ids)
        self.accepted: list[int] = []

    @property
    def is_done(self) -> bool:
        return not self.left

    def mask(self, logits: NDArray[np.float32]) -> None:
        kept = logits[self.left].copy()
        logits[:] = -np.inf
        logits[self.left] = kept

    def accept(self, token_id: int) -> None:
        self.left.remove(token_id)
        self.accepted.append(token_id)


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 2.0, "seed": 3, "top_k": 400}, {"temperature": 9.0, "seed": 1}]
)
def test_only_what_a_constraint_leaves_is_chosen_and_it_is_told(options: Mapping[str, Any]) -> None:
    constraint = Alphabet(4, 250, 499)
    sampler = Sampler(SamplingOptions(**options), [], VOCAB, constraint=constraint)
    chosen: list[int] = []
    while not sampler.is_done:
        chosen.append(sampler.sample(rows(1, seed=len(chosen))[0]).token_id)
    assert sorted(chosen) == [4, 250, 499]
    assert constraint.accepted == chosen


def test_a_sampler_without_a_constraint_is_never_done() -> None:
    assert not Sampler(SamplingOptions(), [], VOCAB).is_done


def test_neither_bias_nor_a_processor_gives_a_forbidden_token_back() -> None:
    def insist(token_ids: Sequence[int], logits: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = logits.copy()
        logits[8] = 1e9
        logits.flags.writeable = False
        return logits

    options = SamplingOptions(logit_bias={9: 1e6})
    assert Sampler(options, [], VOCAB, [insist], Alphabet(4)).sample(rows(1)[0]).token_id == 4


def test_a_constraint_that_bias_leaves_nothing_of_says_so() -> None:
    sampler = Sampler(SamplingOptions(logit_bias={4: -math.inf}), [], VOCAB, constraint=Alphabet(4))
    with pytest.raises(InferencePioError, match=r"no token is left to choose from: bias.* constraint"):
        sampler.sample(rows(1)[0])


def test_logprobs_are_the_models_own_whatever_a_constraint_allows() -> None:
    row = rows(1)[0]
    free = Sampler(SamplingOptions(logprobs=2), [], VOCAB).sample(row.copy()).logprob
    held = Sampler(SamplingOptions(logprobs=2), [], VOCAB, constraint=Alphabet(4)).sample(row.copy()).logprob
    assert free is not None
    assert held is not None
    assert (held.token_id, held.top) == (4, free.top)
