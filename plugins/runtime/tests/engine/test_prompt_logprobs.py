"""What a model thought of the prompt's tokens: the same in any pieces, and within a bound on memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference_pio.errors import ContextLengthError, InferencePioError, InvalidOptionError
from inference_pio.generation import SamplingOptions
from inference_pio.runtime import engine as engine_module
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.sampling.logprobs import report_logprob

from .caching_executor import VOCAB, CachingExecutor, LoopingExecutor
from .invariants import watch

PROMPT = [(n * n + 3) % VOCAB for n in range(50)]


@pytest.fixture
def executor() -> CachingExecutor:
    return CachingExecutor(max_context=100)


def start(executor: CachingExecutor, **given: Any) -> Engine:
    engine = Engine(executor, **given)
    watch(engine)
    return engine


def expected(executor: CachingExecutor, prompt: list[int], top: int) -> list[Any]:
    rows = [executor.logits_after(prompt[: n + 1]) for n in range(len(prompt) - 1)]
    return [None, *(report_logprob(row, token, top) for row, token in zip(rows, prompt[1:], strict=True))]


def submit(engine: Engine, prompt: list[int] = PROMPT, **given: Any) -> Any:
    return engine.submit(prompt, SamplingOptions(**{"max_new_tokens": 3, "prompt_logprobs": 2, **given}))


@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("step_tokens", [1, 8, 512])
def test_they_are_those_of_every_position_in_any_pieces(executor, monkeypatch, rows, step_tokens):
    monkeypatch.setattr(engine_module, "PROMPT_ROW_BYTES", 4 * VOCAB * rows)
    engine = start(executor, slots=2, step_tokens=step_tokens)
    request, other = submit(engine), submit(engine, PROMPT[:20], prompt_logprobs=0, speculate=True)
    plain = [event.token_id for event in engine.events(engine.submit(PROMPT, SamplingOptions(max_new_tokens=3)))]
    assert [event.token_id for event in engine.events(request)] == plain
    list(engine.events(other))
    assert request.prompt_logprobs == expected(executor, PROMPT, 2)
    assert other.prompt_logprobs == expected(executor, PROMPT[:20], 0)
    # One row more for each of two prompts that would stand still, one for each of two that choose a token.
    assert max(len(batch.logit_rows) for batch in executor.batches) <= rows + 4


@pytest.mark.parametrize("length", [1, 2, 50, 100])
def test_they_can_be_had_without_any_new_token_up_to_the_whole_context(executor, length):
    engine = start(executor)
    prompt = (PROMPT * 2)[:length]
    request = submit(engine, prompt, max_new_tokens=0)
    assert engine.step() == [request]
    assert (request.finish_reason, request.error, list(request.events)) == ("length", None, [])
    assert request.prompt_logprobs == expected(executor, prompt, 2)
    assert list(engine.events(request)) == []
    assert engine.figures()["new_tokens"] == 0
    with pytest.raises(ContextLengthError):
        submit(engine, [1] * 101, max_new_tokens=0)
    with pytest.raises(ContextLengthError):
        submit(engine, [1] * 100, max_new_tokens=1)


def test_no_new_token_and_no_logprobs_is_nothing_to_ask_for(executor):
    with pytest.raises(InvalidOptionError, match="max_new_tokens"):
        start(executor).submit(PROMPT, SamplingOptions(max_new_tokens=0))


def test_who_does_not_ask_gets_none(executor):
    request = submit(start(executor), prompt_logprobs=None)
    assert request.prompt_logprobs == []


def test_they_are_complete_before_the_first_token_and_never_told_twice(executor):
    engine = start(executor, step_tokens=8)
    request = submit(engine, max_new_tokens=5)
    interrupted = 0
    while request.finish_reason is None:
        if interrupted < 3:
            executor.on_step = interrupt
            with pytest.raises(KeyboardInterrupt):
                engine.step()
            executor.on_step = lambda batch: None
            interrupted += 1
        engine.step()
        assert len(request.prompt_logprobs) == len(PROMPT) or not request.events
    assert request.prompt_logprobs == expected(executor, PROMPT, 2)


def interrupt(batch: Any) -> None:
    raise KeyboardInterrupt


def test_guesses_ahead_change_nothing():
    executor = LoopingExecutor(max_context=100)
    engine = start(executor)
    plain, guessing = submit(engine, max_new_tokens=40), submit(engine, max_new_tokens=40, speculate=True)
    tokens = [[event.token_id for event in engine.events(request)] for request in (plain, guessing)]
    assert tokens[0] == tokens[1]
    assert guessing.guessed
    assert plain.prompt_logprobs == guessing.prompt_logprobs


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_logit_that_is_no_number_ends_the_request_and_no_other(executor, value):
    engine = start(executor)
    sound = submit(engine)
    ill = submit(engine, [9, *PROMPT], max_new_tokens=0)
    real = executor.step

    def damaged(batch: Any) -> Any:
        logits = real(batch)
        logits[batch.slots[batch.logit_rows] == ill.sequence.slot] = value
        return logits

    executor.step = damaged
    with pytest.raises(InferencePioError, match="checkpoint is damaged or the computation overflowed"):
        list(engine.events(ill))
    assert len(list(engine.events(sound))) == 3
    assert sound.prompt_logprobs == expected(executor, PROMPT, 2)
