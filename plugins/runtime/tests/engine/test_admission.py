"""Who may run, by memory and by the queue's bounds; and what happens when memory runs out all the same."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.errors import CacheFullError, QueueFullError
from inference_pio.generation import SamplingOptions
from inference_pio.memory import Memory
from inference_pio.runtime import cache_budget
from inference_pio.runtime.engine import Engine

from .caching_executor import PAGE, PLACE_BYTES, CachingExecutor
from .invariants import watch

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(cache_budget, "PAGE_TOKENS", PAGE)


@pytest.fixture
def executor() -> CachingExecutor:
    return CachingExecutor(max_context=64)


def bytes_of(*lengths: int) -> int:
    return sum(-(-length // PAGE) * PAGE * PLACE_BYTES for length in lengths)


def options(**given: Any) -> SamplingOptions:
    return SamplingOptions(**{"max_new_tokens": 24, "temperature": 1.0, "seed": 1, **given})


def start(executor: CachingExecutor, budget: int, **given: Any) -> Engine:
    engine = Engine(executor, cache_bytes=budget, prefix_cache_bytes=0, **given)
    watch(engine)
    return engine


def finish(engine: Engine, most: int = 1000) -> int:
    """Run to the end and return how many steps it took."""
    steps = 0
    while engine.scheduler.has_work:
        engine.step()
        steps += 1
        assert steps < most, "it never ends"
    return steps


def answer(prompt: list[int], **given: Any) -> list[int]:
    engine = Engine(CachingExecutor(max_context=64))
    return [event.token_id for event in engine.events(engine.submit(prompt, options(**given)))]


def tokens(request: Any) -> list[int]:
    return [event.token_id for event in request.events]


def test_a_prompt_that_can_never_fit_is_refused_with_both_sizes_and_not_queued(executor):
    engine = Engine(executor, cache_bytes=bytes_of(16))
    with pytest.raises(CacheFullError, match=rf"17 tokens take {bytes_of(17)} bytes.*{bytes_of(16)}.*16 tokens"):
        engine.submit([1] * 16, options())
    with pytest.raises(CacheFullError, match="raise cache_bytes"):
        engine.logits([1] * 17)
    assert not engine.scheduler.has_work
    assert engine.logits([1] * 16).shape == (16, executor.vocab_size)


def test_an_answer_ends_where_the_memory_ends_as_at_the_end_of_the_context(executor):
    engine = start(executor, bytes_of(16))
    request = engine.submit(PROMPT, options(max_new_tokens=50))
    finish(engine)
    assert (tokens(request), request.finish_reason) == (answer(PROMPT)[:8], "length")


def test_a_budget_that_holds_not_even_two_tokens_is_refused(executor):
    with pytest.raises(CacheFullError, match="two tokens take 32 bytes, and the budget is 31"):
        Engine(executor, cache_bytes=31)


def test_a_request_waits_until_there_is_memory_and_is_not_overtaken(executor):
    engine = start(executor, bytes_of(40))
    first = engine.submit([1] * 8, options(max_new_tokens=12))
    large = engine.submit([2] * 30, options(max_new_tokens=2))
    small = engine.submit([3] * 2, options(max_new_tokens=2))
    engine.step()
    assert [len(engine.scheduler.running), len(engine.scheduler.waiting)] == [1, 2]
    while not first.finish_reason:
        engine.step()
    assert not large.events
    assert not small.events
    finish(engine)
    assert (tokens(large), tokens(small)) == (answer([2] * 30)[:2], answer([3] * 2)[:2])


def test_whoever_waited_for_memory_gets_in_as_soon_as_anybody_has_left(executor):
    engine = start(executor, bytes_of(36, 8))
    longer = engine.submit([1] * 28, options(max_new_tokens=8))
    short = engine.submit([2] * 4, options(max_new_tokens=4))
    waiting = engine.submit([3] * 4, options(max_new_tokens=4))
    while not short.finish_reason:
        assert not waiting.events
        engine.step()
    engine.step()
    assert not longer.finish_reason
    assert waiting.events


def test_the_last_to_arrive_gives_way_comes_back_first_and_nobody_can_tell(executor):
    engine = start(executor, bytes_of(16, 16, 16))
    prompts = [[n, *PROMPT] for n in range(5)]
    chosen = {"logprobs": 1, "repetition_penalty": 1.2}
    requests = [engine.submit(prompt, options(seed=n, **chosen)) for n, prompt in enumerate(prompts)]
    ends = []
    while engine.scheduler.has_work:
        ends += [requests.index(request) for request in engine.step() if request.finish_reason]
    assert engine.figures()["preemptions"] > 0
    assert ends == sorted(ends)
    for n, request in enumerate(requests):
        assert tokens(request) == answer(prompts[n], seed=n, **chosen)


def test_a_sequence_that_is_sent_away_finds_what_it_had_in_the_prefix_cache(executor):
    engine = Engine(executor, cache_bytes=bytes_of(44, 44), step_tokens=64)
    watch(engine)
    requests = [engine.submit([n] * 36, options()) for n in range(2)]
    finish(engine)
    assert engine.figures()["preemptions"] > 0
    assert executor.restored >= 32 * engine.figures()["preemptions"]
    assert [request.cached_tokens for request in requests] == [0, 0], "its own tokens are not what others computed"


@pytest.mark.parametrize("capacity", [40, 60, 100])
def test_an_executor_without_memory_sends_away_one_request_after_the_other_and_fails_none(executor, capacity):
    executor.capacity = bytes_of(capacity)
    refused = []
    real = executor.step

    def counting(batch):
        try:
            return real(batch)
        except CacheFullError:
            refused.append(len(engine.scheduler.running))
            raise

    executor.step = counting
    engine = start(executor, 10**9)
    prompts = [[n, *PROMPT] for n in range(6)]
    requests = [engine.submit(prompt, options()) for prompt in prompts]
    while engine.scheduler.has_work:
        before = {r: len(r.events) for r in requests if r.sequence.is_decoding and not r.finish_reason}
        engine.step()
        stays = [request for request in before if request.sequence.slot >= 0 or request.finish_reason]
        assert all(len(request.events) > before[request] for request in stays), "the others do not wait for it"
    assert [tokens(request) for request in requests] == [answer(prompt) for prompt in prompts]
    assert refused
    assert len(refused) <= len(requests) * 6, "nobody comes back before somebody has left"


def test_an_executor_without_memory_for_one_request_alone_fails_it_and_serves_the_next(executor):
    executor.capacity = bytes_of(12)
    engine = start(executor, 10**9)
    requests = [engine.submit([n] * 8, options()) for n in range(2)] + [engine.submit([7], options(max_new_tokens=3))]
    finish(engine)
    assert [str(request.error) for request in requests] == ["no place", "no place", "None"]
    assert tokens(requests[2]) == answer([7])[:3]


def test_a_sequence_alone_in_a_high_slot_moves_down_where_slots_below_cost_memory(executor):
    executor.is_rectangle = True
    engine = start(executor, 40 * PLACE_BYTES, slots=2)
    first = engine.submit([1] * 6, options(max_new_tokens=2))
    second = engine.submit([2] * 6, options(max_new_tokens=30))
    engine.step()
    assert [request.sequence.slot for request in (first, second)] == [0, 1]
    finish(engine)
    assert tokens(second) == answer([2] * 6, max_new_tokens=30)
    assert engine.figures()["preemptions"] == 1


def test_logits_that_do_not_fit_beside_what_runs_say_so(executor):
    engine = Engine(executor, cache_bytes=bytes_of(40))
    engine.submit([1] * 8, options())
    engine.step()
    with pytest.raises(CacheFullError, match="30 tokens beside the 1 running requests"):
        engine.logits([1] * 30)
    engine.logits([1] * 8)


def test_the_budget_is_a_share_of_what_is_free(executor, monkeypatch):
    monkeypatch.setattr(cache_budget, "machine_memory", lambda: Memory(total=10**9, available=2 * bytes_of(20)))
    assert Engine(executor)._budget.longest == 20
    monkeypatch.setattr(cache_budget, "machine_memory", lambda: Memory(total=None, available=None))
    assert Engine(executor)._budget.limit is None


# The queue


def test_no_more_requests_wait_than_may_and_the_next_is_told_to_come_later(executor):
    engine = start(executor, 10**9, slots=2, max_waiting=1)
    requests = [engine.submit(PROMPT, options()) for _ in range(3)]
    with pytest.raises(QueueFullError, match="3 requests wait already, and no more may; ask again later"):
        engine.submit(PROMPT, options())
    engine.step()
    with pytest.raises(QueueFullError, match="1 requests wait"):
        engine.submit(PROMPT, options())
    assert len(engine._requests) == 3
    engine.cancel(requests[0])
    engine.step()
    engine.submit(PROMPT, options())


def test_slots_without_memory_are_no_room_in_the_queue(executor):
    engine = start(executor, bytes_of(20), slots=8, max_waiting=1)
    for _ in range(2):
        engine.submit(PROMPT, options())
        engine.step()
    with pytest.raises(QueueFullError):
        engine.submit(PROMPT, options())


def test_the_queue_is_bounded_in_tokens_but_one_that_waits_alone_may_have_any(executor):
    engine = start(executor, 10**9, slots=1, max_waiting_tokens=10)
    engine.submit([1] * 40, options())
    with pytest.raises(QueueFullError, match="prompts of 40 tokens wait already; with the 1 of this one"):
        engine.submit([1], options())
    engine.step()
    waiting = [engine.submit([1] * 5, options()) for _ in range(2)]
    with pytest.raises(QueueFullError, match="than the 10 that may"):
        engine.submit([1], options())
    assert engine.figures()["waiting_tokens"] == 10
    engine.cancel(waiting[0])
    engine.submit([1], options())
    assert engine.figures()["waiting_tokens"] == 6
