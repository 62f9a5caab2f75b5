"""What ``/v1/responses`` answers, read by the official client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from inference_pio.server.responses import Responses

from ..asking import answer_of, ask, ask_stream, data_of
from ..fake_model import BrokenError, FakeModel

ENDPOINT = Responses()
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOOLS: list[Any] = [
    {"type": "function", "name": "dig", "parameters": {"type": "object", "properties": {}}, "strict": True},
    {"type": "function", "name": "eat", "parameters": None, "strict": None},
]
DIG = '<tool_call>\n{"name": "dig", "arguments": {"depth": 2}}\n</tool_call>'
EAT = '<tool_call>\n{"name": "eat", "arguments": {}}\n</tool_call>'


def read_strictly(kind: Callable[[Any], Any], body: Any) -> Any:
    read = kind(body)
    unknown: list[Any] = []

    def look(value: Any, place: str) -> None:
        if isinstance(value, BaseModel):
            unknown.extend(f"{place}.{name}" for name in value.model_extra or ())
            for name in type(value).model_fields:
                look(getattr(value, name), f"{place}.{name}")
        elif isinstance(value, list):
            for each in value:
                look(each, f"{place}[]")

    look(read, "")
    # What newer and older versions of the protocol have, and this client's types do not.
    assert set(unknown) <= {".store", ".response.store"}
    return read


def response_of(body: Any) -> Any:
    """Return an answer as the client's types read it; ``Any``, for its items may be of 28 kinds."""
    return read_strictly(Response.model_validate, body)


def events_of(model: FakeModel, **body: Any) -> list[Any]:
    """Return a stream's events, each checked by the client's types, and their names and numbers by us."""
    events = ask_stream(ENDPOINT, model, **body)
    read = [read_strictly(EVENTS.validate_python, data_of(event)) for event in events]
    assert [event.partition(b"\n")[0].decode() for event in events] == [f"event: {each.type}" for each in read]
    assert [each.sequence_number for each in read] == list(range(len(read)))
    return read


def client_of(model: FakeModel) -> openai.OpenAI:
    """Return the official client, talking to the endpoint."""

    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        del body["model"]
        if body.pop("stream", False):
            content = b"".join(ask_stream(ENDPOINT, model, **body))
            return httpx.Response(200, content=content, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=ask(ENDPOINT, model, **body))

    transport: Any = httpx.Client(transport=httpx.MockTransport(handle))
    return openai.OpenAI(api_key="k", base_url="http://server/v1", http_client=transport, max_retries=0)


def test_a_whole_answer_says_what_was_asked_and_what_it_took(model: FakeModel) -> None:
    read = response_of(
        ask(
            ENDPOINT, model, input="hi", instructions="Be kind.", temperature=0.5, max_output_tokens=50, user="me",
            metadata={"a": "b"}, tools=TOOLS, tool_choice="auto",
        )
    )  # fmt: skip
    assert (read.status, read.output_text, read.object) == ("completed", "Hello there.", "response")
    assert (read.instructions, read.temperature, read.top_p, read.max_output_tokens) == ("Be kind.", 0.5, 1.0, 50)
    assert (read.user, read.metadata, read.parallel_tool_calls, read.tool_choice) == ("me", {"a": "b"}, True, "auto")
    assert [tool.name for tool in read.tools if tool.type == "function"] == ["dig", "eat"]
    assert read.usage is not None
    assert (read.usage.output_tokens, read.usage.total_tokens) == (12, read.usage.input_tokens + 12)
    (message,) = read.output
    assert (message.type, message.status) == ("message", "completed")


def test_an_answer_that_is_cut_off_is_incomplete(model: FakeModel) -> None:
    read = response_of(ask(ENDPOINT, model, input="hi", max_output_tokens=5))
    assert (read.status, read.output_text) == ("incomplete", "Hello")
    assert read.incomplete_details is not None
    assert read.incomplete_details.reason == "max_output_tokens"
    assert read.output[0].status == "incomplete"


def test_an_answer_that_says_nothing_is_an_empty_message() -> None:
    read = response_of(ask(ENDPOINT, FakeModel(answer=""), input="hi"))
    assert [item.type for item in read.output] == ["message"]
    assert read.output_text == ""


def test_calls_are_items_of_their_own() -> None:
    model = FakeModel(answer=f"Wait.{DIG}\n{EAT}")
    read = response_of(ask(ENDPOINT, model, input="hi", tools=TOOLS))
    message, dig, eat = read.output
    assert message.type == "message"
    assert (dig.type, eat.type) == ("function_call", "function_call")
    assert (dig.name, json.loads(dig.arguments), eat.name) == ("dig", {"depth": 2}, "eat")
    assert dig.call_id != eat.call_id
    assert (read.status, read.output_text) == ("completed", "Wait.")


def test_the_items_of_an_answer_may_be_sent_back() -> None:
    model = FakeModel(answer=f"Wait.{DIG}")
    first = ask(ENDPOINT, model, input="hi", tools=TOOLS)
    call = first["output"][1]["call_id"]
    conversation = [
        {"role": "user", "content": "hi"},
        *first["output"],
        {"type": "function_call_output", "call_id": call, "output": "done"},
    ]
    ask(ENDPOINT, model, input=conversation, tools=TOOLS)
    roles = [message["role"] for message in model.started[-1].messages]
    assert roles == ["user", "assistant", "tool"]


def test_events_come_in_the_order_of_the_protocol() -> None:
    model = FakeModel(answer=f"Hi{DIG}")
    read = events_of(model, input="hi", tools=TOOLS)
    names = [each.type.removeprefix("response.") for each in read]
    without_repeats = [name for place, name in enumerate(names) if name != names[place - 1]]
    assert without_repeats == [
        "created", "in_progress",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert [each.output_index for each in read if each.type == "response.output_item.added"] == [0, 1]
    assert read[0].response.output == []
    assert read[0].response.status == "in_progress"


@settings(deadline=None)
@given(
    said=st.lists(st.one_of(st.text(max_size=5), st.just("\n" + DIG), st.just("\n" + EAT)), max_size=4).map("".join),
    options=st.fixed_dictionaries(
        {},
        optional={
            "max_output_tokens": st.integers(1, 120),
            "stop": st.text(min_size=1, max_size=2),
            "tools": st.just(TOOLS),
            "instructions": st.text(max_size=3),
        },
    ),
)
def test_a_stream_tells_the_whole_answer_and_ends_with_it(said: str, options: dict[str, Any]) -> None:
    model = FakeModel(answer=said)
    whole = response_of(ask(ENDPOINT, model, input="hi", **options))
    events = events_of(model, input="hi", **options)
    last = events[-1]
    assert last.type == f"response.{whole.status}"
    assert without_ids(last.response) == without_ids(whole)
    texts = ["" for _ in whole.output]
    done: list[Any] = []
    for event in events:
        if event.type in ("response.output_text.delta", "response.function_call_arguments.delta"):
            assert event.item_id == (last.response.output[event.output_index].id)
            texts[event.output_index] += event.delta
        elif event.type == "response.output_item.done":
            done.append(event.item)
    assert texts == [item.content[0].text if item.type == "message" else item.arguments for item in whole.output]
    assert done == last.response.output
    assert last.response.usage == whole.usage


def without_ids(response: Any) -> Any:
    told = response.model_dump(exclude={"id", "created_at"})
    return {**told, "output": [{**item, "id": "", "call_id": ""} for item in told["output"]]}


def test_the_official_client_reads_answers_and_streams() -> None:
    client = client_of(FakeModel(answer=f"Hi{DIG}"))
    assert client.responses.create(model="fake", input="hi").output_text == f"Hi{DIG}"
    with client.responses.stream(model="fake", input="hi", tools=TOOLS) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final: Any = stream.get_final_response()
    assert (text, final.output_text) == ("Hi", "Hi")
    assert final.output[1].type == "function_call"
    assert final.output[1].name == "dig"


def test_the_official_client_parses_an_answer_into_a_class() -> None:
    class Hole(BaseModel):
        depth: int

    client = client_of(FakeModel(answer='{"depth": 2}'))
    parsed = client.responses.parse(model="fake", input="hi", text_format=Hole)
    assert parsed.output_parsed == Hole(depth=2)


@pytest.mark.parametrize(("tools", "said"), [([], "Hello there."), (TOOLS, DIG)])
def test_a_failure_is_the_last_event_and_holds_what_there_was(tools: list[Any], said: str) -> None:
    model = FakeModel(answer=said, failure=BrokenError("it broke"), fail_after=50 if tools else 3)
    last = events_of(model, input="hi", tools=tools)[-1]
    assert last.type == "response.failed"
    assert (last.response.status, last.response.error.message) == ("failed", "it broke")
    assert last.response.error.code == "server_error"
    assert last.response.output[0].status == "incomplete"
    assert all(generation.is_cancelled for generation in model.generations)


def test_a_failure_of_a_whole_answer_is_raised() -> None:
    with pytest.raises(BrokenError):
        ask(ENDPOINT, FakeModel(failure=BrokenError("it broke")), input="hi")


def test_an_answer_that_the_server_cuts_off_has_failed(model: FakeModel) -> None:
    async def cut() -> bytes:
        answer = await answer_of(ENDPOINT, model, input="hi", stream=True)
        assert answer.events is not None
        for _ in range(5):
            await anext(answer.events)
        model.generations[0].cancel()
        return [event async for event in answer.events][-1]

    assert data_of(asyncio.run(cut()))["type"] == "response.failed"


@pytest.mark.parametrize("read", [0, 1, 6])
def test_a_client_that_goes_stops_the_answer(model: FakeModel, read: int) -> None:
    async def leave() -> None:
        answer = await answer_of(ENDPOINT, model, input="hi", stream=True)
        assert answer.events is not None
        for _ in range(read):
            await anext(answer.events)
        await answer.events.aclose()  # type: ignore[attr-defined]  # an EventStream has it

    asyncio.run(leave())
    assert model.generations[0].is_cancelled
