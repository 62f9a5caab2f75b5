"""Numbers as people read them."""

from typing import Any

from inference_pio.cli.units import readable_stats
from inference_pio.generation import GenerationStats, SamplingOptions

SPEED: dict[str, Any] = {"prompt_tokens": 3, "new_tokens": 12, "first_token_s": 0.5, "total_s": 1.5}


def test_guesses_are_told_only_where_they_were_asked_for():
    plain = "prompt 3 tokens, 6 tokens/s | answer 12 tokens, 11.0 tokens/s | first token 0.50 s, total 1.50 s"
    assert readable_stats(GenerationStats(**SPEED)) == plain
    guessed = GenerationStats(**SPEED, guessed_tokens=10, accepted_tokens=9)
    assert readable_stats(guessed) == f"{plain} | guessed 10 tokens, 9 accepted (90%), 4.00 tokens/step"


def test_guesses_that_were_never_made_are_no_division_by_zero():
    none = GenerationStats(**SPEED, guessed_tokens=0)
    assert readable_stats(none, load_s=1).endswith(
        "| guessed 0 tokens, 0 accepted (0%), 1.00 tokens/step | load 1.00 s"
    )
    assert GenerationStats(prompt_tokens=1, new_tokens=0, first_token_s=0, total_s=0).tokens_per_step == 0


def test_options_over_defaults_keep_zeros_and_switches():
    defaults = SamplingOptions(temperature=0.7, top_k=40, speculate=True)
    chosen = SamplingOptions(temperature=0, ignore_eos=True, seed=0).over(defaults)
    assert chosen == SamplingOptions(temperature=0, top_k=40, seed=0, ignore_eos=True, speculate=True)
