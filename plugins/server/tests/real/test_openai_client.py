"""The official client against the running server and the real SmolLM2."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

pytestmark = pytest.mark.weights

MODEL = "smollm2"
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who wrote Hamlet?"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "maximum": 9}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}


def ask(client: openai.OpenAI, **options: Any) -> Any:
    options = {"messages": QUESTION, "temperature": 0, "max_completion_tokens": 32, **options}
    return client.chat.completions.create(model=MODEL, **options)


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    answer = ask(client)
    assert "Shakespeare" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_says_the_same_and_ends_with_usage(client: openai.OpenAI) -> None:
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 2, "nothing was streamed"
    whole = ask(client)
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_demanded_tool_is_called_with_arguments_of_its_schema(client: openai.OpenAI) -> None:
    answer = ask(client, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, max_completion_tokens=200)
    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    arguments = json.loads(call.function.arguments)
    assert isinstance(arguments["city"], str)
    assert arguments["days"] <= 9


def test_a_streamed_call_is_the_same(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"tools": [WEATHER], "max_completion_tokens": 200}
    options["tool_choice"] = {"type": "function", "function": {"name": "get_weather"}}
    whole = ask(client, **options).choices[0].message.tool_calls[0].function
    deltas = [chunk.choices[0].delta.tool_calls for chunk in ask(client, stream=True, **options) if chunk.choices]
    calls = [call for delta in deltas if delta for call in delta]
    assert calls[0].id
    assert calls[0].function.name == whole.name
    assert "".join(call.function.arguments or "" for call in calls) == whole.arguments


def test_the_result_of_a_call_can_be_given_back(client: openai.OpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    messages = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Sunny, 25 degrees."},
    ]
    assert ask(client, messages=messages, tools=[WEATHER], tool_choice="none").choices[0].message.content


def test_an_answer_obeys_a_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 30},
            "population": {"type": "integer", "minimum": 0, "maximum": 10**8},
            "tags": {"type": "array", "items": {"enum": ["old", "big", "wet"]}, "maxItems": 3},
        },
        "required": ["city", "population", "tags"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}
    answer = ask(client, response_format=form, max_completion_tokens=200)
    city = json.loads(answer.choices[0].message.content)
    assert set(city) == {"city", "population", "tags"}
    assert 0 <= city["population"] <= 10**8
    assert set(city["tags"]) <= {"old", "big", "wet"}


def test_logprobs_are_those_of_the_tokens(client: openai.OpenAI) -> None:
    choice = ask(client, logprobs=True, top_logprobs=3).choices[0]
    tokens = choice.logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode().startswith(choice.message.content)
    for token in tokens:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token, "greedy takes the likeliest"


def test_several_choices_differ_and_each_has_the_seed_after_the_one_before(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"temperature": 1.2, "messages": [{"role": "user", "content": "Tell me a story."}]}
    several = [choice.message.content for choice in ask(client, n=3, seed=7, **options).choices]
    assert len(set(several)) == 3
    alone = [ask(client, seed=7 + place, **options).choices[0].message.content for place in range(3)]
    assert several == alone


def test_a_stop_text_ends_the_answer_and_is_not_in_it(client: openai.OpenAI) -> None:
    choice = ask(client, stop=["Hamlet", "Shakespeare"]).choices[0]
    assert choice.finish_reason == "stop"
    assert "Shakespeare" not in choice.message.content
    assert "Hamlet" not in choice.message.content


def test_errors_are_those_that_the_client_knows(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no_such_model"):
        client.chat.completions.create(model="no_such_model", messages=QUESTION)
    with pytest.raises(openai.BadRequestError, match="n: ") as raised:
        ask(client, n=10**9)
    assert raised.value.param == "n"
    with pytest.raises(openai.BadRequestError, match="audio"):
        ask(client, extra_body={"audio": {"voice": "alloy"}})
    with pytest.raises(openai.BadRequestError) as too_long:
        ask(client, messages=[{"role": "user", "content": "word " * 20_000}])
    assert too_long.value.code == "context_length_exceeded"
    assert "Shakespeare" in ask(client).choices[0].message.content


def test_responses_and_completions_answer_too(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="Who wrote Hamlet?", temperature=0)
    assert "Shakespeare" in response.output_text
    completion = client.completions.create(model=MODEL, prompt="The capital of France is", temperature=0, max_tokens=4)
    assert "Paris" in completion.choices[0].text
    assert MODEL in [model.id for model in client.models.list()]


async def _ask_at_once(url: str, questions: list[str]) -> list[str]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=300) as client:

        async def ask_one(question: str) -> str:
            stream = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": question}],
                temperature=0,
                max_completion_tokens=32,
                stream=True,
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        return await asyncio.gather(*map(ask_one, questions))


def test_thirty_two_at_once_get_what_each_gets_alone(url: str, client: openai.OpenAI) -> None:
    questions = [f"Count from {number} to {number + 3}." for number in range(32)]
    at_once = asyncio.run(_ask_at_once(url, questions))
    alone = [
        ask(client, messages=[{"role": "user", "content": question}]).choices[0].message.content
        for question in questions
    ]
    assert at_once == alone


def test_whoever_goes_away_stops_the_computation(url: str, client: openai.OpenAI) -> None:
    stream = ask(client, stream=True, max_completion_tokens=8000, extra_body={"ignore_eos": True})
    for _, _chunk in zip(range(3), stream, strict=False):
        pass
    assert _running(url) == 1
    stream.close()
    assert any(_running(url) == 0 for _ in range(10_000)), "it computes on"
    assert "Shakespeare" in ask(client).choices[0].message.content


def _running(url: str) -> float:
    """Return how many requests are computed now, by the metrics."""
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    found = [line for line in lines if line.startswith("inference_pio_requests_running{")]
    return float(found[0].rpartition(" ")[2])
