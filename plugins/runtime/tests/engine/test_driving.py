"""One thread that drives an engine for others: what ``step`` tells, what wakes it, what can be seen from outside."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from inference_pio.errors import NotLoadedError
from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.sampling import Sampler

from .caching_executor import CachingExecutor
from .conftest import FakeExecutor

PATIENCE_S = 20
"""No test takes a second; a deadlock would take for ever."""


def options(**given: Any) -> SamplingOptions:
    return SamplingOptions(**{"max_new_tokens": 3, **given})


def test_a_step_tells_who_got_tokens_and_who_ended(executor):
    engine = Engine(executor, slots=2)
    first, second, third = (engine.submit([n], options(max_new_tokens=n + 1)) for n in range(3))
    assert engine.step() == [first, second]
    assert [first.finish_reason, second.finish_reason] == ["length", None]
    assert set(engine.step()) == {second, third}
    engine.cancel(third)
    assert engine.step() == [third]
    assert engine.step() == []


def test_a_step_tells_of_errors_too(executor):
    engine = Engine(executor)
    request = engine.submit([1], options())

    def fail(batch: Any) -> None:
        raise RuntimeError("no")

    executor.on_step = fail
    assert engine.step() == [request]
    assert "no" in str(request.error)


def test_steps_of_a_reader_beside_lose_no_news_and_keep_none_of_its_own(executor):
    engine = Engine(executor)
    served = engine.submit([1], options(max_new_tokens=2))
    for _ in range(3):
        list(engine.events(engine.submit([2], options())))
    assert set(engine._driver.news) == {served}
    assert engine.step() == [served]
    assert served.finish_reason == "length"
    list(engine.events(engine.submit([2], options())))
    assert not engine._driver.news


def test_waiting_ends_when_there_is_work_or_news_or_the_engine_is_closed(executor):
    engine = Engine(executor)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(engine.wait_for_work)
        assert not waiting.done()
        request = engine.submit([1], options())
        assert waiting.result(PATIENCE_S) is True
        engine.cancel(request)
        assert pool.submit(engine.wait_for_work).result(PATIENCE_S) is True, "somebody was cancelled, which is news"
        assert engine.step() == [request]
        waiting = pool.submit(engine.wait_for_work)
        engine.close()
        assert waiting.result(PATIENCE_S) is False


def test_whoever_runs_when_an_engine_is_closed_is_told_of_by_the_last_step(executor):
    engine = Engine(executor)
    request = engine.submit([1], options())
    engine.step()
    engine.close()
    assert engine.step() == [request]
    assert isinstance(request.error, NotLoadedError)
    assert engine.figures()["is_alive"] == 0


def test_a_driving_thread_serves_many_that_submit_and_cancel():
    engine = Engine(CachingExecutor(), slots=4, step_tokens=16)
    ended: dict[Any, threading.Event] = {}
    lock = threading.Lock()

    def drive() -> None:
        while engine.wait_for_work():
            for request in engine.step():
                if request.finish_reason:
                    with lock:
                        ended.setdefault(request, threading.Event()).set()

    def ask(n: int) -> list[int]:
        request = engine.submit([n % 5] * (1 + n), options(max_new_tokens=8, seed=n, temperature=1.0))
        if n % 7 == 0:
            engine.cancel(request)
        with lock:
            event = ended.setdefault(request, threading.Event())
        assert event.wait(PATIENCE_S)
        return [event.token_id for event in request.events]

    driver = threading.Thread(target=drive)
    driver.start()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    engine.close()
    driver.join(PATIENCE_S)
    assert not driver.is_alive()
    alone = Engine(CachingExecutor())
    for n, answer in enumerate(answers):
        request = alone.submit([n % 5] * (1 + n), options(max_new_tokens=8, seed=n, temperature=1.0))
        tokens = [event.token_id for event in alone.events(request)]
        assert answer == tokens or (n % 7 == 0 and answer == tokens[: len(answer)])


def test_figures_count_what_was_done():
    engine = Engine(CachingExecutor(), slots=1, cache_bytes=10**6)
    request = engine.submit([1] * 70, options())
    engine.submit([1] * 50, options())
    assert (engine.figures()["waiting"], engine.figures()["waiting_tokens"]) == (2, 120)
    engine.step()
    figures = engine.figures()
    assert (figures["running"], figures["waiting"], figures["waiting_tokens"]) == (1, 1, 50)
    assert figures["cache_bytes"] == engine.executor.cache_bytes([73])
    while not request.finish_reason:
        engine.step()
    while engine.scheduler.has_work:
        engine.step()
    figures = engine.figures()
    assert figures == {
        "running": 0,
        "waiting": 0,
        "waiting_tokens": 0,
        "steps": 6,
        "step_tokens": 72 + 50 - 32 + 2,
        "prompt_tokens": 120,
        "cached_tokens": 32,
        "new_tokens": 6,
        "preemptions": 0,
        "cache_bytes": 0,
        "prefix_cache_bytes": 2 * 32 * 8,
        "is_alive": 1,
    }


class Countdown:
    """Allows one token more often than it is asked for; done after some."""

    def __init__(self, count: int) -> None:
        self.left = count

    @property
    def is_done(self) -> bool:
        return self.left == 0

    def mask(self, logits: Any) -> None:
        logits[: 10 + self.left] = -float("inf")
        logits[11 + self.left :] = -float("inf")

    def accept(self, token_id: int) -> None:
        assert token_id == 10 + self.left
        self.left -= 1


@pytest.mark.parametrize("speculate", [False, True])
def test_a_constraint_chooses_and_ends_a_request(speculate):
    engine = Engine(FakeExecutor())
    request = engine.submit([1, 2], options(max_new_tokens=9, speculate=speculate), constraint=Countdown(3))
    other = engine.submit([1, 2], options(max_new_tokens=9))
    assert [event.token_id for event in engine.events(request)] == [13, 12, 11]
    assert request.finish_reason == "stop"
    sampler, text = Sampler(options(), [1, 2], 50), [1, 2]
    for event in engine.events(other):
        text.append(sampler.sample(FakeExecutor.logits_after(tuple(text))).token_id)
        assert event.token_id == text[-1]
