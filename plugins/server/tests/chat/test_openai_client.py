"""OpenAI's own client, with what it makes of streams, tools and schemas, over a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from inference_pio.server.chat import ChatCompletions

from ..app.serving import serving
from ..fake_model import FakeModel

HI: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>'


class Weather(BaseModel):
    city: str


@contextlib.asynccontextmanager
async def client_of(model: FakeModel) -> AsyncIterator[openai.AsyncOpenAI]:
    async with serving(model, endpoints=[ChatCompletions()]) as running:
        url = f"http://127.0.0.1:{running.port}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            yield client


def test_it_puts_a_streamed_call_together(model: FakeModel) -> None:
    async def ask() -> Any:
        async with (
            client_of(model) as client,
            client.chat.completions.stream(model="fake", messages=HI, tools=[TOOL]) as events,
        ):
            return await events.get_final_completion()

    model.answer = f"Let me see. {CALL}"
    (choice,) = asyncio.run(ask()).choices
    assert (choice.message.content, choice.finish_reason) == ("Let me see. ", "tool_calls")
    assert choice.message.tool_calls[0].function.arguments == '{"city": "Zürich"}'


def test_it_takes_an_answer_of_a_schema_as_an_object(model: FakeModel) -> None:
    async def ask() -> Any:
        async with client_of(model) as client:
            return await client.chat.completions.parse(model="fake", messages=HI, response_format=Weather)

    model.answer = '{"city": "Zürich"}'
    assert asyncio.run(ask()).choices[0].message.parsed == Weather(city="Zürich")
    constraint = model.started[0].options.constraint
    assert constraint is not None
    assert constraint.kind == "json_schema"


def test_an_answer_of_its_own_is_sent_back(model: FakeModel) -> None:
    async def ask() -> None:
        async with client_of(model) as client:
            tools: Any = [openai.pydantic_function_tool(Weather, name="weather")]
            first = await client.chat.completions.create(model="fake", messages=HI, tools=tools)
            message = first.choices[0].message
            assert message.tool_calls is not None
            result = {"role": "tool", "content": "rain", "tool_call_id": message.tool_calls[0].id}
            conversation: Any = [*HI, message, result]
            await client.chat.completions.create(model="fake", messages=conversation, tools=tools)

    model.answer = CALL
    asyncio.run(ask())
    assert model.started[1].messages[2]["content"] == "rain"


def test_it_raises_what_is_wrong_with_a_field(model: FakeModel) -> None:
    async def ask() -> None:
        async with client_of(model) as client:
            await client.chat.completions.create(model="fake", messages=HI, reasoning_effort="low")

    with pytest.raises(openai.BadRequestError, match="levels of reasoning") as caught:
        asyncio.run(ask())
    assert caught.value.param == "reasoning_effort"


def test_it_raises_an_error_in_the_middle_of_a_stream(model: FakeModel) -> None:
    async def ask() -> None:
        async with client_of(model) as client:
            async for _ in await client.chat.completions.create(model="fake", messages=HI, stream=True):
                pass

    model.failure = ZeroDivisionError("secret")
    with pytest.raises(openai.APIError, match="the server failed"):
        asyncio.run(ask())
