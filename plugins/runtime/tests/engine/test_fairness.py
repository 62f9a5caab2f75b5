"""Who gets how much of a step. All bounds are in steps and hold on any machine."""

from __future__ import annotations

import numpy as np
import pytest

from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.prefix_cache import BLOCK_TOKENS
from inference_pio.runtime.scheduler import Scheduler
from inference_pio.runtime.sequence import Sequence

from .caching_executor import VOCAB, CachingExecutor
from .invariants import watch

STEP = 64


def prompt(count: int, first: int = 0) -> list[int]:
    return [(first + n * n) % VOCAB for n in range(count)]


def counts(scheduler: Scheduler) -> dict[int, int]:
    """What each sequence computes in the next step, by its number in order of arrival."""
    by_slot = {sequence.slot: sequence.arrival for sequence in [*scheduler.running, *scheduler.waiting]}
    batch, due = scheduler.next_batch()
    by_slot = {sequence.slot: sequence.arrival for sequence in scheduler.running}
    for sequence in due:
        sequence.tokens.append(1)
    slots, tokens = np.unique(batch.slots, return_counts=True)
    return {by_slot[slot]: count for slot, count in zip(slots.tolist(), tokens.tolist(), strict=True)}


def test_a_short_prompt_behind_a_huge_one_is_done_in_one_step():
    scheduler = Scheduler(slots=4, step_tokens=STEP)
    scheduler.add(Sequence(prompt(10_000)))
    assert counts(scheduler) == {0: STEP}
    scheduler.add(Sequence(prompt(STEP // 2)))
    assert counts(scheduler) == {0: STEP // 2, 1: STEP // 2}


def test_short_prompts_that_never_end_do_not_starve_a_long_one():
    scheduler = Scheduler(slots=8, step_tokens=STEP)
    long = Sequence(prompt(1000))
    scheduler.add(long)
    steps = 0
    while long.computed < 1000:
        scheduler.add(Sequence(prompt(STEP), end=STEP + 1))
        counts(scheduler)
        for sequence in [s for s in scheduler.running if s.generated and s is not long]:
            scheduler.remove(sequence)
        steps += 1
    assert steps <= -(-1000 // (STEP // 2))


def test_what_decodes_is_in_every_step_and_comes_first():
    scheduler = Scheduler(slots=8, step_tokens=STEP)
    for _ in range(3):
        scheduler.add(Sequence([1], end=1000))
    counts(scheduler)
    for _ in range(3):
        scheduler.add(Sequence(prompt(500)))
    for _ in range(8):  # then the first prompt has less left than that
        given = counts(scheduler)
        assert [given[n] for n in range(3)] == [1, 1, 1]
        assert sum(given.values()) == STEP
        assert given[3] >= (STEP - 3) // 2, "half of the rest goes in order of arrival"


def test_half_of_a_step_goes_to_the_oldest_and_the_rest_to_those_with_least_left():
    scheduler = Scheduler(slots=8, step_tokens=STEP)
    for count in (500, 400, 10, 300, 5):
        scheduler.add(Sequence(prompt(count)))
    assert counts(scheduler) == {0: 32, 2: 10, 3: 17, 4: 5}


def test_a_step_is_filled_as_long_as_there_is_anything_to_compute():
    scheduler = Scheduler(slots=8, step_tokens=STEP)
    for count in (40, 7, 100):
        scheduler.add(Sequence(prompt(count)))
    assert sum(sum(counts(scheduler).values()) for _ in range(2)) == 2 * STEP


def test_the_smallest_step_still_brings_every_oldest_prompt_forward():
    scheduler = Scheduler(slots=2, step_tokens=1)  # raised to two: one decodes, one token is left
    scheduler.add(Sequence([1], end=100))
    scheduler.add(Sequence(prompt(10), end=100))
    for _ in range(10):
        assert counts(scheduler) == {0: 1, 1: 1} or scheduler.running[1].computed == 0
    assert scheduler.running[1].computed >= 9


# Prompts that begin alike


@pytest.fixture
def executor() -> CachingExecutor:
    return CachingExecutor(max_context=600)


def options(**given: int | None) -> SamplingOptions:
    return SamplingOptions(max_new_tokens=1, **given)  # type: ignore[arg-type]  # options of whole numbers


@pytest.mark.parametrize("length", [300, 321])
def test_four_answers_to_one_prompt_compute_it_once(executor, length):
    engine = Engine(executor, step_tokens=STEP)
    watch(engine)
    requests = [engine.submit(prompt(length), options(seed=n)) for n in range(4)]
    steps = 0
    while not all(request.finish_reason for request in requests):
        engine.step()
        steps += 1
    computed = sum(len(batch.tokens) for batch in executor.batches)
    assert computed <= length + 3 * BLOCK_TOKENS
    assert steps <= -(-length // STEP) + 3
    whole = (length - 1) // BLOCK_TOKENS * BLOCK_TOKENS
    assert [request.cached_tokens for request in requests] == [0, whole, whole, whole]


def test_a_common_beginning_is_computed_once_and_the_rest_by_each(executor):
    engine = Engine(executor, step_tokens=STEP)
    common = prompt(256)
    requests = [engine.submit(common + prompt(40, first=n + 1), options()) for n in range(4)]
    while not all(request.finish_reason for request in requests):
        engine.step()
    assert sum(len(batch.tokens) for batch in executor.batches) <= 256 + 4 * (40 + BLOCK_TOKENS)
    assert [request.cached_tokens for request in requests] == [0, 256, 256, 256]


def test_nobody_waits_more_than_one_step_for_a_block_that_does_not_come(executor):
    executor.save = lambda slot, start, end: None
    engine = Engine(executor, step_tokens=8 * STEP)
    requests = [engine.submit(prompt(100), options()) for _ in range(5)]
    engine.step()
    assert [bool(request.finish_reason) for request in requests] == [True, False, False, False, False]
    engine.step()
    assert all(request.finish_reason for request in requests)


def test_whoever_computed_for_others_may_leave_at_any_time(executor):
    for after in range(5):
        engine = Engine(executor, step_tokens=STEP)
        watch(engine)
        first, *others = [engine.submit(prompt(250), options()) for _ in range(3)]
        for _ in range(after):
            engine.step()
        engine.cancel(first)
        for _ in range(8):
            engine.step()
        assert [request.finish_reason for request in others] == ["length", "length"]
