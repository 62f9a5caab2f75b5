"""Whatever validation lets pass, the sampler chooses a token: no option makes a logit NaN or infinite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.generation import SamplingOptions
from inference_pio.runtime.sampling import Sampler, validate_sampling

VOCAB = 200


def between(low: float, high: float, *, exclude_min: bool = False) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=exclude_min)


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": between(0, 100) | between(0, 2) | st.sampled_from([1e-5, 1.1e-5]),
    "top_k": st.integers(0, VOCAB + 1) | st.just(2**100),
    "top_p": between(0, 1, exclude_min=True),
    "min_p": between(0, 1),
    "repetition_penalty": between(0.01, 100) | st.sampled_from([0.01, 100.0]),
    "presence_penalty": between(-100, 100),
    "frequency_penalty": between(-100, 100),
    # One token stays free of minus infinity: to forbid all of them is an error of its own.
    "logit_bias": st.dictionaries(st.integers(1, VOCAB - 1), between(-1e6, 1e6) | st.just(-math.inf), max_size=30),
    "seed": st.integers(-(2**70), 2**70),
    "logprobs": st.integers(0, VOCAB),
}


@settings(max_examples=300, deadline=None)
@given(
    options=st.fixed_dictionaries({}, optional=OPTIONS),
    chance=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1e-30, 1e-3, 1.0, 10.0, 1e4, 1e30]),
    prompt=st.lists(st.integers(0, VOCAB - 1), max_size=40),
)
def test_every_option_that_passes_gives_a_token(
    options: dict[str, Any], chance: int, scale: float, prompt: list[int]
) -> None:
    chosen = SamplingOptions(**options)
    validate_sampling(chosen, VOCAB)
    sampler = Sampler(chosen, prompt, VOCAB)
    rows = (np.random.default_rng(chance).standard_normal((4, VOCAB)) * scale).astype(np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for row in rows:
            token_id = sampler.sample(row).token_id
            assert 0 <= token_id < VOCAB
            assert options.get("logit_bias", {}).get(token_id) != -math.inf
