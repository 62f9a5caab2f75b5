"""Several threads on one engine: each gets its own tokens, nobody waits for ever, nothing is computed twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from inference_pio.errors import InferencePioError, NotLoadedError
from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine

PATIENCE_S = 20
"""No test takes a second; a deadlock would take for ever."""


def options(**given_options):
    return SamplingOptions(**{"max_new_tokens": 12, "temperature": 1.0, "seed": 3, **given_options})


def run(engine, prompt, **given_options):
    return [event.token_id for event in engine.events(engine.submit(prompt, options(**given_options)))]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def alone(new_executor):
    return lambda prompt: run(Engine(new_executor()), prompt)


def test_many_threads_get_what_each_would_get_alone(executor, pool, alone):
    engine = Engine(executor, slots=3, step_tokens=7)
    executor.on_step = lambda batch: time.sleep(0.0005)
    inside = []

    def one_at_a_time(batch):
        inside.append(1)
        assert len(inside) == 1, "two steps at once"
        time.sleep(0.0005)
        inside.pop()

    executor.on_step = one_at_a_time
    prompts = [[n] * (1 + n % 9) for n in range(24)]
    futures = [pool.submit(run, engine, prompt) for prompt in prompts]
    assert [future.result(PATIENCE_S) for future in futures] == [alone(prompt) for prompt in prompts]
    assert not engine.scheduler.has_work
    assert not executor.texts


def test_logits_are_had_between_the_steps_of_a_busy_engine(executor, pool):
    engine = Engine(executor)
    executor.on_step = lambda batch: time.sleep(0.001)
    busy = [pool.submit(run, engine, [n], max_new_tokens=90) for n in range(2)]
    while not executor.batches:
        time.sleep(0.001)
    before = len(executor.batches)
    engine.logits([1, 2, 3])
    waited = len(executor.batches) - before
    assert waited < 20, "the turn is given in order of arrival"
    for future in busy:
        assert len(future.result(PATIENCE_S)) == 90


def test_cancelling_and_submitting_do_not_wait_for_a_step(executor, pool):
    engine = Engine(executor)
    entered, release = threading.Event(), threading.Event()

    def stuck(batch):
        entered.set()
        assert release.wait(PATIENCE_S)

    executor.on_step = stuck
    request = engine.submit([1], options())
    reader = pool.submit(lambda: list(engine.events(request)))
    assert entered.wait(PATIENCE_S)
    engine.cancel(request)
    other = engine.submit([2], options(max_new_tokens=1))
    executor.on_step = lambda batch: None
    release.set()
    assert len(reader.result(PATIENCE_S)) <= 1
    assert len(list(engine.events(other))) == 1
    assert not engine.scheduler.has_work
    assert not executor.texts


def test_a_thread_whose_step_fails_does_not_leave_the_others_waiting(executor, pool):
    engine = Engine(executor)
    barrier = threading.Barrier(4)

    def fail(batch):
        time.sleep(0.002)
        if len(executor.batches) >= 5:
            raise RuntimeError("gone")

    executor.on_step = fail

    def reader(n):
        barrier.wait(PATIENCE_S)
        with pytest.raises(InferencePioError, match="gone"):
            run(engine, [n])
        return True

    assert all(future.result(PATIENCE_S) for future in [pool.submit(reader, n) for n in range(4)])
    assert not engine.scheduler.has_work


def test_closing_waits_for_the_step_and_every_reader_gets_an_error(executor, pool):
    engine = Engine(executor)
    executor.on_step = lambda batch: time.sleep(0.002)
    readers = [pool.submit(run, engine, [n], max_new_tokens=90) for n in range(4)]
    while len(executor.batches) < 3:
        time.sleep(0.001)
    engine.close()
    steps = len(executor.batches)
    for reader in readers:
        with pytest.raises(NotLoadedError, match="unloaded"):
            reader.result(PATIENCE_S)
    assert len(executor.batches) == steps
