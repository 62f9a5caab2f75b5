"""When something fails or somebody goes: told in the right place, and nothing is left computing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from inference_pio.errors import EngineDeadError, InvalidOptionError, QueueFullError
from inference_pio.server.api_errors import ApiError, as_api_error
from inference_pio.server.chat import ChatCompletions

from ..asking import answer_of, ask, ask_stream, data_of, refusal
from ..fake_model import BrokenError, FakeModel

CHAT = ChatCompletions()
HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("error", "status"),
    [(QueueFullError("full"), 429), (EngineDeadError("dead"), 503), (InvalidOptionError("no"), 400)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_at_the_start_is_raised_before_anything_is_answered(
    error: Exception, status: int, stream: bool, model: FakeModel
) -> None:
    model.error = error
    with pytest.raises(type(error)) as caught:
        asyncio.run(answer_of(CHAT, model, messages=HI, stream=stream, n=2))
    assert as_api_error(caught.value).status == status


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"response_format": {"type": "regex", "regex": "("}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "tools"),
        ({}, None),
    ],
)
def test_what_an_answer_cannot_be_held_to_is_the_fault_of_its_field(
    body: dict[str, Any], param: str | None, model: FakeModel
) -> None:
    model.error = InvalidOptionError("a bracket is not closed")
    error = refusal(CHAT, model, messages=HI, **body)
    assert (error.param, "not closed" in error.message) == (param, True)


@pytest.mark.parametrize("n", [1, 3])
def test_an_error_in_the_middle_ends_a_stream_with_an_event(n: int, model: FakeModel) -> None:
    model.failure = BrokenError("the executor broke")
    events = ask_stream(CHAT, model, messages=HI, n=n)
    assert data_of(events[-1]) == {
        "error": {"message": "the executor broke", "type": "server_error", "param": None, "code": None}
    }
    assert all("error" not in data_of(event) for event in events[:-1])
    assert all(generation.is_cancelled for generation in model.generations)


def test_an_error_in_the_middle_fails_a_whole_answer(model: FakeModel) -> None:
    model.failure = BrokenError("the executor broke")
    with pytest.raises(BrokenError):
        ask(CHAT, model, messages=HI, n=3)
    assert all(generation.is_cancelled for generation in model.generations)


def test_what_the_server_cancels_is_no_answer(model: FakeModel) -> None:
    async def cancelled(**body: Any) -> Any:
        answer = asyncio.ensure_future(answer_of(CHAT, model, messages=HI, **body))
        while not model.generations:
            await asyncio.sleep(0)
        model.generations[-1].cancel()
        return await answer

    async def streamed() -> list[bytes]:
        answer = await cancelled(stream=True)
        return [event async for event in answer.events]

    with pytest.raises(ApiError) as caught:
        asyncio.run(cancelled())
    assert (caught.value.status, caught.value.code) == (503, "cancelled")
    model.generations.clear()
    assert data_of(asyncio.run(streamed())[-1])["error"]["code"] == "cancelled"


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_whoever_waits_cancels_all(n: int, stream: bool, model: FakeModel) -> None:
    async def wait() -> None:
        answer = await answer_of(CHAT, model, messages=HI, n=n, stream=stream)
        assert answer.events is not None, "a whole answer takes hours here"
        async for _ in answer.events:
            pass

    async def cancel() -> None:
        task = asyncio.ensure_future(wait())
        while len(model.generations) < n or not model.steps:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"

    model.step_s = 3600
    asyncio.run(cancel())
    assert all(generation.is_cancelled for generation in model.generations)


@pytest.mark.parametrize("read_first", [0, 1, 5])
def test_a_stream_that_is_closed_stops_the_computation(read_first: int, model: FakeModel) -> None:
    async def close() -> None:
        answer = await answer_of(CHAT, model, messages=HI, n=2, stream=True)
        events: Any = answer.events
        for _ in range(read_first):
            await anext(events)
        await events.aclose()

    asyncio.run(close())
    assert [generation.is_cancelled for generation in model.generations] == [True, True]
