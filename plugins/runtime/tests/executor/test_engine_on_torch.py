"""The engine on a real model: batches, tight memory and restored blocks change no token."""

from __future__ import annotations

import random
from typing import Any

import pytest

from inference_pio.generation import SamplingOptions
from inference_pio.runtime import cache_budget, prefix_cache
from inference_pio.runtime.engine import Engine

from .conftest import VOCAB

SCHEDULES = 10
BLOCK = 4


def asked(draw: random.Random, bases: list[list[int]]) -> tuple[list[int], SamplingOptions]:
    prompt = draw.choice(bases)[: draw.randint(1, 40)] + [draw.randrange(VOCAB) for _ in range(draw.choice([0, 1, 5]))]
    options = SamplingOptions(
        max_new_tokens=draw.randint(1, 18),
        temperature=draw.choice([0.0, 1.0]),
        seed=draw.randint(0, 9),
        prompt_logprobs=draw.choice([None, None, None, 0]),
        speculate=draw.random() < 0.3,
    )
    return prompt, options


def answers(engine: Engine, requests: list[tuple[list[int], SamplingOptions]], *, together: bool) -> list[list[int]]:
    started: list[Any] = []
    for prompt, options in requests:
        started.append(engine.submit(prompt, options))
        while not together and engine.scheduler.has_work:
            engine.step()
    while engine.scheduler.has_work:
        engine.step()
    for request, (prompt, options) in zip(started, requests, strict=True):
        assert request.error is None
        assert len(request.prompt_logprobs) == (0 if options.prompt_logprobs is None else len(prompt))
    return [[event.token_id for event in request.events] for request in started]


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_requests_on_torch_get_what_they_get_alone(build_executor, monkeypatch, seed):
    monkeypatch.setattr(prefix_cache, "BLOCK_TOKENS", BLOCK)
    monkeypatch.setattr(cache_budget, "PAGE_TOKENS", 8)
    draw = random.Random(seed)
    bases = [[draw.randrange(VOCAB) for _ in range(40)] for _ in range(2)]
    requests = [asked(draw, bases) for _ in range(8)]
    alone = answers(Engine(build_executor(), slots=1, prefix_cache_bytes=0), requests, together=False)
    executor = build_executor()
    one = executor.cache_bytes([64])
    engine = Engine(
        executor,
        slots=draw.randint(1, 5),
        step_tokens=draw.choice([5, 12, 64]),
        cache_bytes=draw.choice([one, 2 * one, 100 * one]),
        prefix_cache_bytes=draw.choice([one, 100 * one]),
    )
    assert answers(engine, requests, together=True) == alone
    again = answers(engine, requests, together=draw.random() < 0.5)
    assert again == alone
    if engine.scheduler.step_tokens == 12:  # in larger steps the tiny rings forget before anything is saved
        assert engine.figures()["cached_tokens"] > 0
