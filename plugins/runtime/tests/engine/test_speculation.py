"""Requests that guess ahead give what they give without, in fewer steps, and leave nothing behind."""

import logging
from typing import Any

import numpy as np
import pytest

from inference_pio.errors import InferencePioError
from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.request import TokenEvent
from inference_pio.runtime.scheduler import GUESSING_TOKENS

from .conftest import FakeExecutor, RepeatingExecutor

PROMPT = [3, 1, 4, 1, 5]
GREEDY: dict[str, Any] = {"temperature": 0.0}
SAMPLED: dict[str, Any] = {"temperature": 0.5, "seed": 5}


@pytest.fixture
def executor() -> RepeatingExecutor:
    return RepeatingExecutor()


def options(**given: Any) -> SamplingOptions:
    return SamplingOptions(**{"max_new_tokens": 60, **given})


def run(engine, prompt=PROMPT, *, ends=(), processors=(), **given):
    """The events of one request, and the request."""
    request = engine.submit(list(prompt), options(**given), eos_token_ids=ends, processors=processors)
    return list(engine.events(request)), request


def told(events):
    """What a reader learns of a request, apart from the clock and the number of steps."""
    return [(event.token_id, event.logprob, event.finish_reason) for event in events]


def is_idle(engine):
    return not engine.scheduler.has_work and not engine.executor.texts and not engine._requests


@pytest.mark.parametrize("chosen", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"logprobs": 2},
        {"top_k": 5, "top_p": 0.9, "min_p": 0.01},
        {"repetition_penalty": 1.05, "presence_penalty": 0.1, "frequency_penalty": 0.02},
        {"logit_bias": {7: 1.0}},
    ],
    ids=["plain", "logprobs", "filters", "penalties", "bias"],
)
def test_the_same_tokens_come_in_fewer_steps(executor, chosen, more):
    engine = Engine(executor)
    plain, request = run(engine, **chosen, **more)
    assert request.guessed is None
    assert not any(event.is_gained for event in plain)
    executor.batches.clear()
    guessed, request = run(engine, **chosen, **more, speculate=True)
    assert told(guessed) == told(plain)
    gained = sum(event.is_gained for event in guessed)
    assert len(executor.batches) == len(plain) - gained
    assert request.guessed is not None
    assert 0 < gained <= request.guessed
    assert is_idle(engine)


@pytest.mark.parametrize("length", range(1, 60, 7))
def test_the_longest_answer_may_end_inside_of_a_guess(executor, length):
    engine = Engine(executor)
    plain, _ = run(engine, **GREEDY)
    guessed, _ = run(engine, **GREEDY, max_new_tokens=length, speculate=True)
    assert [event.token_id for event in guessed] == [event.token_id for event in plain[:length]]
    assert guessed[-1].finish_reason == "length"
    assert max(batch.positions.max() for batch in executor.batches[60:]) <= len(PROMPT) + length - 2


@pytest.mark.parametrize("given_by", ["eos", "stop_token_ids"])
def test_an_end_token_inside_of_a_guess_ends_the_request_there(executor, given_by):
    engine = Engine(executor)
    plain, _ = run(engine, **SAMPLED, speculate=True)
    tokens = [event.token_id for event in plain]
    inside = [place for place, event in enumerate(plain) if event.is_gained and tokens.index(tokens[place]) == place]
    places = inside or [tokens.index(event.token_id) for event in plain if event.is_gained]
    for end in {tokens[place] for place in places}:
        how: dict[str, Any] = {"ends": [end]} if given_by == "eos" else {"stop_token_ids": [end]}
        expected, _ = run(engine, **SAMPLED, **how)
        guessed, _ = run(engine, **SAMPLED, **how, speculate=True)
        assert told(guessed) == told(expected)
        assert guessed[-1].finish_reason == "stop"


def test_the_end_of_the_context_ends_a_request_inside_of_a_guess():
    for context in range(20, 40):
        executor = RepeatingExecutor()
        engine = Engine(executor, context=context)
        plain, _ = run(engine, **GREEDY, max_new_tokens=None)
        guessed, _ = run(engine, **GREEDY, max_new_tokens=None, speculate=True)
        assert told(guessed) == told(plain)


def test_a_processor_with_a_memory_is_called_once_a_token_with_the_text_so_far(executor):
    def remembering():
        seen: list[list[int]] = []

        def process(token_ids, logits):
            seen.append(list(token_ids))
            logits[len(seen) % 7] += 3.0  # depends on how often it was called
            return logits

        return seen, process

    engine = Engine(executor)
    (plain_seen, plain_process), (seen, process) = remembering(), remembering()
    plain, _ = run(engine, **GREEDY, processors=[plain_process])
    guessed, request = run(engine, **GREEDY, processors=[process], speculate=True)
    assert told(guessed) == told(plain)
    assert seen == plain_seen
    assert request.guessed


def test_a_processor_that_fails_inside_of_a_guess_ends_its_request_after_the_tokens_before(executor):
    def fail_late(token_ids, logits):
        if len(token_ids) == len(PROMPT) + 41:
            raise RuntimeError("enough")
        return logits

    engine = Engine(executor)
    plain, _ = run(engine, **GREEDY)
    request = engine.submit(PROMPT, options(**GREEDY, speculate=True), processors=[fail_late])
    tokens: list[TokenEvent] = []

    def read():
        for event in engine.events(request):
            tokens.append(event)

    with pytest.raises(InferencePioError, match="choosing a token failed: RuntimeError: enough"):
        read()
    assert [event.token_id for event in tokens] == [event.token_id for event in plain[:41]]
    assert any(event.is_gained for event in tokens)
    assert is_idle(engine)


def test_ctrl_c_in_any_step_lets_others_go_on_as_if_nothing_had_been(executor):
    engine = Engine(executor)
    expected, _ = run(engine, **SAMPLED)
    stream = engine.events(engine.submit(PROMPT, options(**SAMPLED, speculate=True)))
    tokens = []

    def interrupt(batch):
        raise KeyboardInterrupt

    for place in range(len(expected)):
        if place % 5 == 4:
            executor.on_step = interrupt
            with pytest.raises(KeyboardInterrupt):
                engine.step()
            executor.on_step = lambda batch: None
        tokens.append(next(stream))
    assert [event.token_id for event in tokens] == [event.token_id for event in expected]


def test_an_executor_that_cannot_go_back_guesses_nothing_and_says_so_once(executor, caplog):
    executor.max_rewind = 0
    engine = Engine(executor)
    plain, _ = run(engine, **GREEDY)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            guessed, request = run(engine, **GREEDY, speculate=True)
            assert told(guessed) == told(plain)
            assert request.guessed == 0
    assert [record.getMessage() for record in caplog.records] == [
        "fake cannot take a token back, so nothing is guessed ahead"
    ]


def test_no_more_is_guessed_than_the_executor_can_take_back(executor):
    executor.max_rewind = 3
    run(Engine(executor), **GREEDY, speculate=True)
    assert max(len(batch.tokens) for batch in executor.batches[1:]) == 4


def test_guesses_fill_a_small_step_and_stay_out_of_a_large_one(executor):
    engine = Engine(executor)
    for count, most in ((1, 16), (3, 15), (GUESSING_TOKENS, 16)):
        executor.batches.clear()
        requests = [engine.submit(PROMPT, options(**GREEDY, speculate=True)) for _ in range(count)]
        for request in requests:
            list(engine.events(request))
        largest = max(len(batch.tokens) for batch in executor.batches if batch.positions.min() >= len(PROMPT))
        assert largest == most
    assert all(request.guessed == 0 for request in requests)


def test_a_prompt_that_is_computed_meanwhile_leaves_no_room_for_guesses(executor):
    engine = Engine(executor, slots=4, step_tokens=20)
    stream = engine.events(engine.submit(PROMPT, options(**GREEDY, speculate=True)))
    for _ in range(40):
        next(stream)
    executor.batches.clear()
    engine.submit([7] * 80, options())
    engine.step()
    assert len(executor.batches[0].tokens) == 20
    assert len(executor.batches[0].logit_rows) == 1


def test_requests_with_and_without_guesses_share_steps_and_get_what_they_get_alone(executor):
    engine = Engine(executor)
    prompts = [[n, n + 1] * 3 for n in range(5)]
    alone = [told(run(engine, prompt, **SAMPLED)[0]) for prompt in prompts]
    requests = [engine.submit(prompt, options(**SAMPLED, speculate=n % 2 == 0)) for n, prompt in enumerate(prompts)]
    streams = [engine.events(request) for request in requests]
    results: list[list[Any]] = [[] for _ in prompts]
    while any(request.finish_reason is None or request.events for request in requests):
        for events, stream in zip(results, streams, strict=True):
            events += [event for event in [next(stream, None)] if event]
    assert [told(events) for events in results] == alone
    assert is_idle(engine)


def test_a_request_that_is_cancelled_with_guesses_under_way_leaves_nothing(executor):
    engine = Engine(executor, slots=1)
    stream = engine.events(engine.submit(PROMPT, options(**GREEDY, speculate=True)))
    for _ in range(30):
        next(stream)
    stream.close()
    assert is_idle(engine)
    assert told(run(engine, **GREEDY)[0]) == told(run(engine, **GREEDY, speculate=True)[0])


def test_text_that_repeats_nothing_is_computed_as_without_guesses():
    executor = FakeExecutor()
    engine = Engine(executor)
    run(engine, **SAMPLED)
    plain = [len(batch.tokens) for batch in executor.batches]
    executor.batches.clear()
    _, request = run(engine, **SAMPLED, speculate=True)
    assert [len(batch.tokens) for batch in executor.batches] == plain
    assert request.guessed == 0


def test_rows_that_are_missing_are_noticed(executor):
    engine = Engine(executor)
    stream = engine.events(engine.submit(PROMPT, options(**GREEDY, speculate=True)))
    for _ in range(40):
        next(stream)
    executor.step = lambda batch: np.zeros((len(batch.logit_rows) - 1, 50), np.float32)
    with pytest.raises(InferencePioError, match="rows of logits for"):
        list(stream)
