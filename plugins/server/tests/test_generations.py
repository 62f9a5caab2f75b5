"""Answers under way together: as they come, all of them, and none left computing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from inference_pio.errors import QueueFullError
from inference_pio.generation import SamplingOptions
from inference_pio.server.event_stream import DONE, EventStream, encode_event
from inference_pio.server.generations import Generations

from .fake_model import BrokenError, FakeModel


async def start(model: FakeModel, n: int, *, seed: int | None = 7) -> Generations:
    generations = Generations()
    await generations.add(model, [1, 2], SamplingOptions(seed=seed), n=n, text="ab", cache_salt="s")
    return generations


@pytest.mark.parametrize("n", [1, 3])
def test_all_answers_are_read_whole_and_each_has_a_seed_of_its_own(model: FakeModel, n: int) -> None:
    async def read() -> list[str]:
        texts = [""] * n
        async for index, chunk in (await start(model, n)).chunks():
            texts[index] += chunk.text
        return texts

    model.answer = lambda started: f"seed {started.options.seed}"
    assert asyncio.run(read()) == [f"seed {7 + place}" for place in range(n)]
    assert model.running == 0
    assert {started.cache_salt for started in model.started} == {"s"}


def test_pieces_come_as_they_are_made(model: FakeModel) -> None:
    async def read() -> list[int]:
        return [index async for index, _ in (await start(model, 2)).chunks()]

    model.answer = "abc"
    assert asyncio.run(read()) == [0, 1] * 4


def test_many_answers_of_different_lengths_are_read_whole(model: FakeModel) -> None:
    async def read() -> dict[int, str]:
        texts: dict[int, str] = {}
        async for index, chunk in (await start(model, 100)).chunks():
            texts[index] = texts.get(index, "") + chunk.text
        return texts

    model.answer = lambda started: "ab" * ((started.options.seed or 0) % 13)
    assert asyncio.run(read()) == {place: "ab" * ((7 + place) % 13) for place in range(100)}
    assert model.running == 0


def test_whoever_reads_slowly_is_not_read_ahead_for_without_bound(model: FakeModel) -> None:
    async def read() -> int:
        async with contextlib.aclosing((await start(model, 4)).chunks()) as chunks:
            for _ in range(3):
                await anext(chunks)
            for _ in range(1000):
                await asyncio.sleep(0)
            return model.steps

    model.answer = "a" * 900
    assert asyncio.run(read()) == 3 + 4 + 4  # read, in the queue, and one in the hands of each
    assert all(generation.is_cancelled for generation in model.generations)


def test_an_answer_that_is_cancelled_from_within_is_not_waited_for(model: FakeModel) -> None:
    async def read() -> None:
        async for _ in (await start(model, 3)).chunks():
            pass

    model.failure = asyncio.CancelledError()  # type: ignore[assignment]  # no Exception, on purpose
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(read(), 10))
    assert all(generation.is_cancelled for generation in model.generations)


def test_no_seed_stays_none(model: FakeModel) -> None:
    asyncio.run(start(model, 2, seed=None))
    assert [started.options.seed for started in model.started] == [None, None]


@pytest.mark.parametrize("n", [1, 3])
def test_an_error_in_the_middle_cancels_all(model: FakeModel, n: int) -> None:
    async def read() -> None:
        async for _ in (await start(model, n)).chunks():
            pass

    model.failure = BrokenError("broken")
    with pytest.raises(BrokenError):
        asyncio.run(read())
    assert all(generation.is_cancelled for generation in model.generations)


def test_an_error_at_a_later_start_cancels_the_earlier_ones(model: FakeModel) -> None:
    async def begin() -> None:
        generations = Generations()
        await generations.add(model, [1], SamplingOptions(), n=2)
        model.error = QueueFullError("full")
        await generations.add(model, [1], SamplingOptions())

    with pytest.raises(QueueFullError):
        asyncio.run(begin())
    assert [generation.is_cancelled for generation in model.generations] == [True, True]


@pytest.mark.parametrize("n", [1, 3])
def test_cancelling_whoever_waits_cancels_all(model: FakeModel, n: int) -> None:
    async def read(started: asyncio.Event) -> None:
        async with contextlib.aclosing((await start(model, n)).chunks()) as chunks:
            started.set()
            async for _ in chunks:
                pass

    async def cancel() -> None:
        started = asyncio.Event()
        task = asyncio.ensure_future(read(started))
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "a task was left behind"

    model.step_s = 3600
    asyncio.run(cancel())
    assert all(generation.is_cancelled for generation in model.generations)
    assert len(model.generations) == n


@pytest.mark.parametrize("read_first", [0, 2])
def test_closing_a_stream_cancels_all_also_when_nothing_was_read(model: FakeModel, read_first: int) -> None:
    async def close() -> None:
        generations = await start(model, 2)
        stream = EventStream(generations, events_of(generations))
        for _ in range(read_first):
            await anext(stream)
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(close())
    assert [generation.is_cancelled for generation in model.generations] == [True, True]


def test_an_error_in_the_middle_of_a_stream_is_its_last_event(model: FakeModel) -> None:
    async def read() -> list[bytes]:
        generations = await start(model, 1)
        return [event async for event in EventStream(generations, events_of(generations))]

    assert asyncio.run(read())[-1] == DONE
    model.failure, model.fail_after = BrokenError("broken"), model.steps + 2
    events = asyncio.run(read())
    assert len(events) == 3
    assert events[-1] == (b'data: {"error":{"message":"broken","type":"server_error","param":null,"code":null}}\n\n')


def test_events_are_blocks_of_their_own() -> None:
    assert encode_event({"text": "a\n\nb"}) == b'data: {"text":"a\\n\\nb"}\n\n'
    assert encode_event({}, "response.created") == b"event: response.created\ndata: {}\n\n"


async def events_of(generations: Generations) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(generations.chunks()) as chunks:
        async for index, chunk in chunks:
            yield encode_event([index, chunk.text])
