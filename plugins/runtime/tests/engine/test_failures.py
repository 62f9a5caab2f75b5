"""Failures in the middle of a step: those whom they touch get an error, all others get what they would get alone."""

import gc
from typing import Any

import numpy as np
import pytest

from inference_pio.errors import CacheFullError, InferencePioError
from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.request import TokenStream


def options(**given_options):
    return SamplingOptions(**{"max_new_tokens": 8, "temperature": 1.0, "seed": 3, **given_options})


@pytest.fixture
def alone(new_executor):
    """The tokens of a prompt that runs by itself."""

    def run(prompt):
        engine = Engine(new_executor())
        return [event.token_id for event in engine.events(engine.submit(prompt, options()))]

    return run


def failing_once(executor, error):
    def fail(batch):
        executor.on_step = lambda batch: None
        raise error

    executor.on_step = fail


def tokens(events):
    return [event.token_id for event in events]


def tokens_into(got, events):
    got.extend(event.token_id for event in events)


def test_an_executor_that_fails_ends_the_requests_of_its_batch_with_an_error(executor, alone):
    engine = Engine(executor, slots=2)
    streams = [engine.events(engine.submit([n], options())) for n in range(4)]
    got = [tokens([next(streams[0])]), [], [], []]
    failing_once(executor, RuntimeError("out of memory: tried to allocate 3 TiB"))
    for n in (0, 1):  # the one that drives the step, and the one that waits for it and has a token unread
        with pytest.raises(InferencePioError, match=r"fake failed: RuntimeError: out of memory") as caught:
            tokens_into(got[n], streams[n])
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert got[n] == alone([n])[:1]
    for n in (2, 3):  # these had no slot yet
        assert tokens(streams[n]) == alone([n])
    assert not engine.scheduler.has_work
    assert not executor.texts


def test_an_error_of_ours_passes_unchanged(executor):
    engine = Engine(executor)
    failing_once(executor, CacheFullError("no place"))
    with pytest.raises(CacheFullError, match="no place"):
        list(engine.events(engine.submit([1], options())))


def test_a_waiting_request_that_drives_a_failing_step_goes_on(executor, alone):
    engine = Engine(executor, slots=1)
    first = engine.events(engine.submit([1], options()))
    next(first)
    second = engine.events(engine.submit([2], options()))
    failing_once(executor, RuntimeError("no"))
    assert tokens(second) == alone([2])
    with pytest.raises(InferencePioError, match="no"):
        next(first)


def test_an_executor_that_answers_with_too_few_rows_is_named(executor):
    engine = Engine(executor)
    executor.step = lambda batch: np.zeros((0, 50), np.float32)
    with pytest.raises(InferencePioError, match="fake gave 0 rows of logits for 1"):
        list(engine.events(engine.submit([1], options())))


@pytest.mark.parametrize("row", [np.nan, np.inf])
def test_logits_that_are_no_numbers_end_only_their_own_request(executor, alone, row):
    engine = Engine(executor)
    plain = executor.logits_after
    executor.logits_after = lambda text: plain(text) + (row if text[0] == 1 and len(text) == 4 else 0)
    streams = [engine.events(engine.submit([n], options())) for n in (0, 1, 2)]
    got: list[int] = []
    with pytest.raises(InferencePioError, match="checkpoint is damaged or the computation overflowed"):
        tokens_into(got, streams[1])
    assert got == alone([1])[:3]
    assert [tokens(streams[0]), tokens(streams[2])] == [alone([0]), alone([2])]


def test_a_logits_processor_that_raises_ends_only_its_own_request(executor, alone):
    def broken(token_ids, logits):
        raise KeyError("lost")

    engine = Engine(executor)
    sound = engine.events(engine.submit([0], options()))
    ill = engine.events(engine.submit([1], options(), processors=[broken]))
    assert tokens(sound) == alone([0])
    with pytest.raises(InferencePioError, match="choosing a token failed: KeyError: 'lost'"):
        next(ill)


def test_an_interrupt_in_one_reader_leaves_the_others_whole(executor, alone):
    engine = Engine(executor)
    streams = [engine.events(engine.submit([n], options())) for n in range(3)]
    first = [next(stream).token_id for stream in streams]
    failing_once(executor, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        next(streams[0])
    for n in (1, 2):
        assert [first[n], *tokens(streams[n])] == alone([n])
    assert not engine.scheduler.has_work
    assert not executor.texts


def test_an_interrupt_in_a_sampler_leaves_the_others_whole(executor, alone):
    def interrupted(token_ids, logits):
        if len(token_ids) == 3:
            raise KeyboardInterrupt
        return logits

    engine = Engine(executor)
    before = engine.events(engine.submit([0], options()))
    ill = engine.events(engine.submit([1], options(), processors=[interrupted]))
    after = engine.events(engine.submit([2], options()))
    with pytest.raises(KeyboardInterrupt):
        list(ill)
    assert [tokens(before), tokens(after)] == [alone([0]), alone([2])]


def test_an_interrupt_while_a_batch_is_put_together_leaves_the_others_whole(executor, alone, monkeypatch):
    engine = Engine(executor)
    streams = [engine.events(engine.submit([n], options())) for n in range(2)]
    first = [next(stream).token_id for stream in streams]
    next_batch = engine.scheduler.next_batch

    def interrupted():
        next_batch()
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.scheduler, "next_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(streams[0])
    assert [first[1], *tokens(streams[1])] == alone([1])


def test_a_processor_may_end_other_streams_in_the_middle_of_a_step(executor, alone):
    streams: dict[int, TokenStream] = {}

    def closes_another(token_ids, logits):
        if len(token_ids) == 3 and 2 in streams:
            streams.pop(2).close()
        return logits

    engine = Engine(executor, slots=3)
    streams[0] = engine.events(engine.submit([0], options()))
    streams[1] = engine.events(engine.submit([1], options(), processors=[closes_another]))
    streams[2] = engine.events(engine.submit([2], options()))
    next(streams[2])
    assert tokens(streams[0]) == alone([0])
    assert tokens(streams[1]) == alone([1])
    assert not engine.scheduler.has_work
    assert not executor.texts


def test_the_garbage_collector_may_end_a_stream_in_the_middle_of_a_step(executor, alone):
    engine = Engine(executor)
    lost = engine.events(engine.submit([5], options()))
    next(lost)
    cycle: list[Any] = [lost]
    cycle.append(cycle)
    del lost, cycle
    executor.on_step = lambda batch: gc.collect()
    assert tokens(engine.events(engine.submit([1], options()))) == alone([1])
    assert not engine.scheduler.has_work
    assert not executor.texts


@pytest.mark.parametrize("use", ["events", "step", "logits", "close"])
def test_using_the_engine_from_inside_its_own_step_is_an_error_and_not_a_deadlock(executor, alone, use):
    engine = Engine(executor)
    calls = {
        "events": lambda: list(engine.events(engine.submit([1], options()))),
        "step": engine.step,
        "logits": lambda: engine.logits([1]),
        "close": engine.close,
    }

    def selfish(token_ids, logits):
        calls[use]()
        return logits

    ill = engine.events(engine.submit([0], options(), processors=[selfish]))
    sound = engine.events(engine.submit([2], options()))
    with pytest.raises(InferencePioError, match="from inside its own step"):
        next(ill)
    assert tokens(sound) == alone([2])
