"""The engine on an executor without a model: equal to a plain loop over single sequences, whatever runs beside."""

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_pio.errors import (
    CacheFullError,
    ContextLengthError,
    EmptyPromptError,
    InvalidOptionError,
    NotLoadedError,
)
from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.request import TokenEvent
from inference_pio.runtime.sampling import Sampler


def options(**given_options):
    return SamplingOptions(**{"max_new_tokens": 10, "temperature": 1.0, "seed": 3, **given_options})


def reference(executor, prompt, chosen, *, ends=(), context=100):
    """What a request must give: one sequence, one token at a time, no engine."""
    sampler = Sampler(chosen, prompt, executor.vocab_size)
    text = list(prompt)
    stops = set(chosen.stop_token_ids or ()) | (set() if chosen.ignore_eos else set(ends))
    while True:
        text.append(sampler.sample(executor.logits_after(tuple(text))).token_id)
        if text[-1] in stops:
            return text[len(prompt) :], "stop"
        if len(text) - len(prompt) == chosen.max_new_tokens or len(text) == context:
            return text[len(prompt) :], "length"


def outcome(events):
    events = list(events)
    assert all(event.finish_reason is None for event in events[:-1])
    return [event.token_id for event in events], events[-1].finish_reason


def is_idle(engine):
    return not engine.scheduler.has_work and not engine.executor.texts and not engine._requests


def started(engine, prompt=(1, 2), **given_options):
    """A request that has got its first token, and its iterator."""
    request = engine.submit(list(prompt), options(**given_options))
    events = engine.events(request)
    next(events)
    return request, events


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_requests_read_in_any_order_get_what_they_would_get_alone(new_executor, repeating, data):
    executor = data.draw(st.sampled_from([new_executor, repeating]))(max_context=60)
    engine = Engine(executor, slots=data.draw(st.integers(1, 4)), step_tokens=data.draw(st.integers(1, 20)))
    ends = (7, 11, 13, 21)
    open_streams: dict[int, Any] = {}
    results: dict[int, list[TokenEvent]] = {}
    expected: dict[int, Any] = {}
    to_come = data.draw(st.integers(1, 6))
    while to_come or open_streams:
        if to_come and (not open_streams or data.draw(st.booleans())):
            prompt = data.draw(st.lists(st.integers(0, 49), min_size=1, max_size=29))
            prompt *= data.draw(st.integers(1, 2))
            chosen = options(
                seed=data.draw(st.integers(0, 3)),
                max_new_tokens=data.draw(st.sampled_from([None, 1, 5, 20])),
                ignore_eos=data.draw(st.booleans()),
                repetition_penalty=data.draw(st.sampled_from([None, 1.5])),
                temperature=data.draw(st.sampled_from([0.0, 0.5, 1.0])),
                speculate=data.draw(st.booleans()),
            )
            open_streams[to_come] = engine.events(engine.submit(prompt, chosen, eos_token_ids=ends))
            results[to_come] = []
            expected[to_come] = reference(executor, prompt, chosen, ends=ends, context=60)
            to_come -= 1
            continue
        key = data.draw(st.sampled_from(sorted(open_streams)))
        kind = data.draw(st.integers(0, 9))
        if kind == 0:
            open_streams.pop(key).close()
            del expected[key]
        elif kind == 1:
            engine.step()
        elif (event := next(open_streams[key], None)) is None:
            del open_streams[key]
        else:
            results[key].append(event)
    for key, want in expected.items():
        assert outcome(results[key]) == want
    assert is_idle(engine)
    assert all(len(batch.tokens) <= engine.scheduler.step_tokens for batch in executor.batches)


def test_the_end_of_the_context_ends_a_request(executor):
    engine = Engine(executor, context=12)
    tokens, reason = outcome(engine.events(engine.submit(list(range(9)), options(max_new_tokens=50))))
    assert (len(tokens), reason) == (3, "length")


def test_a_prompt_that_leaves_one_place_gets_one_token(executor):
    engine = Engine(executor, context=12)
    assert len(outcome(engine.events(engine.submit(list(range(11)), options())))[0]) == 1


def test_a_context_beyond_the_executors_is_cut(new_executor):
    assert Engine(new_executor(max_context=20), context=50).context == 20


def test_a_prompt_that_does_not_fit_says_both_lengths_and_is_not_queued(executor):
    engine = Engine(executor, context=12)
    with pytest.raises(ContextLengthError, match=r"12 tokens.*room for 12"):
        engine.submit(list(range(12)), options())
    assert is_idle(engine)


@pytest.mark.parametrize(
    ("prompt", "chosen", "error"),
    [
        ([], options(), EmptyPromptError),
        ([1, 50], options(), InvalidOptionError),
        ([-1], options(), InvalidOptionError),
        ([1], options(temperature=-1.0), InvalidOptionError),
        ([1], options(max_new_tokens=0), InvalidOptionError),
        ([1], options(stop_token_ids=[50]), InvalidOptionError),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_is_queued(executor, prompt, chosen, error):
    engine = Engine(executor)
    with pytest.raises(error):
        engine.submit(prompt, chosen)
    assert is_idle(engine)
    assert not executor.batches


def test_stop_ids_and_the_models_own_ends_end_a_request_and_ignore_eos_lifts_only_the_latter(executor):
    engine = Engine(executor)
    chosen = options(max_new_tokens=40)
    tokens, _ = outcome(engine.events(engine.submit([1], chosen)))
    firsts = [n for n, token in enumerate(tokens) if token not in tokens[:n]]
    early, late = firsts[3], firsts[-1]
    own, given_id = tokens[early], tokens[late]

    def run(**more):
        return outcome(engine.events(engine.submit([1], options(max_new_tokens=40, **more), eos_token_ids=[own])))

    assert run() == (tokens[: early + 1], "stop")
    assert run(stop_token_ids=[given_id]) == (tokens[: early + 1], "stop")
    assert run(ignore_eos=True, stop_token_ids=[given_id]) == (tokens[: late + 1], "stop")
    assert run(ignore_eos=True) == (tokens, "length")


def test_an_end_token_as_the_last_allowed_one_counts_as_stop(executor):
    engine = Engine(executor)
    tokens, _ = outcome(engine.events(engine.submit([1], options(max_new_tokens=3))))
    request = engine.submit([1], options(max_new_tokens=3), eos_token_ids=tokens[2:])
    assert outcome(engine.events(request)) == (tokens, "stop")


def test_logprobs_are_those_of_the_models_own_distribution(executor):
    engine = Engine(executor)
    events = list(engine.events(engine.submit([4, 5], options(logprobs=3, temperature=0.5))))
    text = [4, 5]
    for event in events:
        assert event.logprob is not None
        logits = executor.logits_after(tuple(text)).astype(np.float64)
        expected = logits - np.log(np.exp(logits).sum())
        assert event.logprob.token_id == event.token_id
        assert event.logprob.logprob == pytest.approx(expected[event.token_id], abs=1e-5)  # float32 logits
        assert [token for token, _ in event.logprob.top] == np.argsort(-expected)[:3].tolist()
        text.append(event.token_id)


def test_logits_processors_see_the_text_and_change_the_choice(executor):
    seen = []

    def only_nine(token_ids, logits):
        seen.append(list(token_ids))
        logits[:] = -np.inf
        logits[9] = 0
        return logits

    engine = Engine(executor)
    request = engine.submit([1], options(max_new_tokens=3), processors=[only_nine])
    assert outcome(engine.events(request)) == ([9, 9, 9], "length")
    assert seen == [[1], [1, 9], [1, 9, 9]]


def test_closing_an_iterator_frees_its_slot_at_once(executor):
    engine = Engine(executor, slots=1)
    request, events = started(engine)
    events.close()
    assert request.finish_reason == "cancelled"
    assert is_idle(engine)


def test_dropping_an_iterator_frees_its_slot(executor):
    engine = Engine(executor, slots=1)
    request, events = started(engine)
    del events
    gc.collect()
    assert request.finish_reason == "cancelled"
    assert is_idle(engine)


@pytest.mark.parametrize("end", ["close", "drop"])
def test_a_stream_that_nobody_ever_read_leaves_nothing(executor, end):
    engine = Engine(executor)
    stream = engine.events(engine.submit([1], options()))
    if end == "close":
        stream.close()
    del stream
    assert is_idle(engine)


def test_a_waiting_request_can_be_cancelled_and_reads_as_empty(executor):
    engine = Engine(executor, slots=1)
    _, first = started(engine)
    waiting = engine.submit([5], options())
    engine.cancel(waiting)
    engine.cancel(waiting)
    assert list(engine.events(waiting)) == []
    assert len(list(first)) == 9
    assert is_idle(engine)


def test_cancelling_a_request_that_has_ended_changes_nothing(executor):
    engine = Engine(executor)
    request = engine.submit([1], options(max_new_tokens=2))
    assert len(list(engine.events(request))) == 2
    engine.cancel(request)
    assert request.finish_reason == "length"


def test_a_request_cancelled_between_two_tokens_keeps_those_it_has(executor):
    engine = Engine(executor)
    request, events = started(engine)
    engine.step()
    engine.cancel(request)
    assert len(list(events)) == 1


def test_more_requests_than_slots_wait_and_are_all_served(executor):
    engine = Engine(executor, slots=2)
    requests = [engine.submit([n], options(seed=n)) for n in range(7)]
    for n in reversed(range(7)):  # the last one is read first, and drives all before it
        assert outcome(engine.events(requests[n])) == reference(executor, [n], options(seed=n))
    assert {slot for batch in executor.batches for slot in batch.slots.tolist()} == {0, 1}
    assert is_idle(engine)


def test_streams_read_side_by_side_share_steps(executor):
    engine = Engine(executor)
    streams = [engine.events(engine.submit([n], options())) for n in range(4)]
    for _ in range(10):
        for stream in streams:
            next(stream)
    assert len(executor.batches) == 10


def test_a_step_without_requests_does_nothing(executor):
    Engine(executor).step()
    assert not executor.batches


# logits


@pytest.mark.parametrize("chunk", [1, 4, 512])
def test_logits_of_a_text_are_those_of_every_position(executor, chunk):
    engine = Engine(executor)
    text = [3, 1, 4, 1, 5, 9, 2, 6]
    expected = np.stack([executor.logits_after(tuple(text[: n + 1])) for n in range(len(text))])
    assert np.array_equal(engine.logits(text, chunk=chunk), expected)
    assert np.array_equal(engine.logits(np.array(text)), expected)
    assert is_idle(engine)


def test_logits_can_be_had_while_requests_wait_and_run_and_do_not_disturb_them(executor):
    engine = Engine(executor, slots=3)
    waiting = engine.submit([8], options())
    engine.logits([1, 2, 3])
    _, events = started(engine, [1, 2])
    engine.logits([1, 2, 3])
    assert [event.token_id for event in events] == reference(executor, [1, 2], options())[0][1:]
    assert outcome(engine.events(waiting)) == reference(executor, [8], options())
    assert is_idle(engine)


def test_logits_without_a_free_slot_say_what_to_wait_for(executor):
    engine = Engine(executor, slots=1)
    _, events = started(engine)
    with pytest.raises(CacheFullError, match="wait for a running request to end"):
        engine.logits([1])
    events.close()
    engine.logits([1])


def test_logits_of_a_whole_context_can_be_had_but_not_of_more(executor):
    engine = Engine(executor, context=8)
    assert engine.logits([1] * 8).shape == (8, 50)
    with pytest.raises(ContextLengthError):
        engine.logits([1] * 9)
    with pytest.raises(EmptyPromptError):
        engine.logits([])
    with pytest.raises(InvalidOptionError, match=r"token 50 .*0 to 49"):
        engine.logits([1, 50])


def test_logits_that_fail_give_their_slot_back(executor):
    engine = Engine(executor, slots=1)

    def fail(batch):
        raise RuntimeError("no")

    executor.on_step = fail
    with pytest.raises(RuntimeError):
        engine.logits([1, 2])
    executor.on_step = lambda batch: None
    assert engine.logits([1, 2]).shape == (2, 50)


# close


def test_a_closed_engine_refuses_work_and_readers_hear_of_it(executor):
    engine = Engine(executor)
    _, events = started(engine)
    waiting = engine.submit([5], options())
    engine.close()
    assert executor.closed == 1
    for stream in (events, engine.events(waiting)):
        with pytest.raises(NotLoadedError, match="unloaded"):
            list(stream)
    with pytest.raises(NotLoadedError):
        engine.submit([1], options())
    with pytest.raises(NotLoadedError):
        engine.logits([1])
    engine.step()
    assert is_idle(engine)
