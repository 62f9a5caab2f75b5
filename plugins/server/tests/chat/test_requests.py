"""What cannot be is refused with the field that is to blame; what can be reaches the engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference_pio.generation import Constraint, SamplingOptions
from inference_pio.server.api_errors import ApiError
from inference_pio.server.chat import ChatCompletions
from inference_pio.server.chat.plan import plan_of
from inference_pio.server.chat.request import ChatRequest
from inference_pio.server.chat.tools import schema_text
from inference_pio.server.decoding import decode_body

from ..asking import ask, refusal
from ..fake_model import FakeModel

CHAT = ChatCompletions()
HI = [{"role": "user", "content": "hi"}]
PART = {"type": "text", "text": ""}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "weather", **function}}


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"messages": []}, "messages", "length >= 1"),
        ({"messages": None}, "messages", "got `null`"),
        ({"messages": "hi"}, "messages", "got `str`"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role", "'robot' is not supported"),
        ({"messages": [{"role": "function", "content": "hi"}]}, "messages[0].role", "old role"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role", "is missing"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "is missing"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "got `null`"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "length >= 1"),
        ({"messages": [*HI, {"role": "assistant"}]}, "messages[1].content", "needs a content"),
        (
            {"messages": [{"role": "assistant", "content": "a", "refusal": "b"}]},
            "messages[0].refusal",
            "not both",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            "'image_url' is not supported: models here read and write text only",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content[0].type",
            "text only",
        ),
        ({"messages": [{"role": "assistant", "audio": {"id": "x"}}]}, "messages[0].audio", "text only"),
        ({"messages": [{"role": "assistant", "function_call": {}}]}, "messages[0].function_call", "'tool_calls'"),
        ({"messages": [{"role": "user", "content": "a", "nmae": "b"}]}, "messages[0].nmae", "name"),
        (
            {"messages": [{"role": "tool", "content": "a", "tool_call_id": "c1"}]},
            "messages[0].tool_call_id",
            "no earlier message",
        ),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "says otherwise"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL] * 2049}]},
            "messages[0].tool_calls",
            "length <= 2048",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL] * 1025}] * 2}, "messages", "2050 calls"),
        ({"messages": [{"role": "user", "content": [PART] * 2049}]}, "messages[0].content", "length <= 2048"),
        ({"messages": [{"role": "user", "content": "a" * 128_001}]}, "messages", "characters"),
        ({"messages": HI * 2049}, "messages", "length <= 2048"),
        ({"max_tokens": 0}, "max_tokens", ">= 1"),
        ({"n": 10**9}, "n", "<= 128"),
        ({"top_logprobs": 3}, "top_logprobs", "logprobs = true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "<= 20"),
        ({"logprobs": 3}, "logprobs", "got `int`"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "stream = true"),
        ({"logit_bias": {"257": 1}}, "logit_bias", "from 0 to 256"),
        ({"store": True}, "store", "keeps no answers"),
        ({"service_tier": "flex"}, "service_tier", "one tier"),
        ({"modalities": ["text", "audio"]}, "modalities[1]", "text only"),
        ({"reasoning_effort": "low"}, "reasoning_effort", "levels of reasoning"),
        ({"verbosity": "low"}, "verbosity", "levels of verbosity"),
        ({"functions": []}, "functions", "'tools'"),
        ({"web_search_options": {}}, "web_search_options", "other hosts"),
        ({"prediction": {}}, "prediction", "leave it out"),
        ({"guided_json": {}}, "guided_json", "response_format"),
        ({"max_token": 5}, "max_token", "the nearest that is: max_tokens"),
        ({"metadata": {"a": 5}}, "metadata", "got `int`"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "tools are functions"),
        ({"tools": [tool(name="a b")]}, "tools[0].function.name", "matching regex"),
        ({"tools": [tool(), tool()]}, "tools[1].function.name", "another tool"),
        ({"tools": [tool(parameters={"type": "array"})]}, "tools[0].function.parameters.type", "'object'"),
        ({"tools": [tool(parameters=[])]}, "tools[0].function.parameters", "got `array`"),
        ({"tools": [TOOL] * 129}, "tools", "length <= 128"),
        ({"tool_choice": "required"}, "tool_choice", "needs tools"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "'any' is not supported"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice.function.name",
            "they are weather",
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
            "tool_choice.type",
            "only the tools that may be called",
        ),
        ({"response_format": {"type": "yaml"}}, "response_format.type", "'yaml'"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "is missing"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "description": "b"}}},
            "response_format.json_schema.description",
            "describe it in a message",
        ),
        ({"response_format": {"type": "regex", "regex": ""}}, "response_format.regex", "length >= 1"),
        (
            {"response_format": {"type": "regex", "regex": "a"}, "tools": [TOOL]},
            "response_format.type",
            "cannot be combined",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(body: dict[str, Any], param: str, words: str, model: FakeModel) -> None:
    error = refusal(CHAT, model, **{"messages": HI, **body})
    assert error.param == param
    assert words in error.message
    assert error.message.startswith(param)
    assert model.started == []


def deep(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize("schema", [deep(5000), {"maximum": 10**5000}])
def test_a_schema_that_cannot_be_written_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="the schema cannot be used") as caught:
        schema_text(schema, "response_format.json_schema.schema")
    assert (caught.value.status, caught.value.param) == (400, "response_format.json_schema.schema")


@pytest.mark.parametrize("depth", [200, 450, 900, 100_000])
@pytest.mark.parametrize("place", ["schema", "parameters"])
def test_no_depth_of_a_schema_is_more_than_a_400(depth: int, place: str, model: FakeModel) -> None:
    text = '{"not":' * depth + "{}" + "}" * depth
    fields = {
        "schema": f'"response_format": {{"type": "json_schema", "json_schema": {{"name": "a", "schema": {text}}}}}',
        "parameters": f'"tools": [{{"type": "function", "function": {{"name": "a", "parameters": {text}}}}}]',
    }
    body = f'{{"model": "m", "messages": [{{"role": "user", "content": "a"}}], {fields[place]}}}'
    told: ApiError | None = None
    try:
        plan_of(decode_body(body.encode(), ChatRequest), model)
    except ApiError as error:
        told = error
    assert told.status == 400 if told else depth < 1000


def test_everything_that_is_asked_for_reaches_the_engine(model: FakeModel) -> None:
    ask(
        CHAT,
        model,
        messages=HI,
        temperature=0.5,
        seed=3,
        stop=["x"],
        logprobs=True,
        top_logprobs=2,
        max_completion_tokens=7,
        logit_bias={"5": -1.5},
    )
    assert model.started[0].options == SamplingOptions(
        temperature=0.5, seed=3, stop=["x"], logprobs=2, max_new_tokens=7, logit_bias={5: -1.5}
    )
    assert model.started[0].cache_salt == "alice"
    assert model.started[0].text == "<user>hi\n<assistant>"


@pytest.mark.parametrize(
    ("asked", "constraint"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, Constraint(kind="json_schema", source='{"type": "object"}')),
        ({"type": "regex", "regex": "a+"}, Constraint(kind="regex", source="a+")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "integer"}}},
            Constraint(kind="json_schema", source='{"type": "integer"}'),
        ),
    ],
)
def test_a_format_is_a_constraint(asked: Any, constraint: Constraint | None, model: FakeModel) -> None:
    ask(CHAT, model, messages=HI, response_format=asked)
    assert model.started[0].options.constraint == constraint


def test_messages_reach_the_template(model: FakeModel) -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c", "name": "bob"},
        {"role": "assistant", "content": None, "refusal": "no", "audio": None, "annotations": []},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
    ]
    ask(CHAT, model, messages=messages)
    assert model.started[0].messages == (
        {"role": "system", "content": "a\nb"},
        {"role": "user", "content": "c", "name": "bob"},
        {"role": "assistant", "content": "no"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{**CALL, "function": {"name": "weather", "arguments": {}}}],
        },
        {"role": "tool", "content": "rain", "tool_call_id": "c1", "name": "weather"},
    )


def test_an_answer_can_be_sent_back_as_it_came(model: FakeModel) -> None:
    model.answer = '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>'
    message = ask(CHAT, model, messages=HI, tools=[TOOL])["choices"][0]["message"]
    result = {"role": "tool", "content": "rain", "tool_call_id": message["tool_calls"][0]["id"]}
    ask(CHAT, model, messages=[*HI, message, result])
    assert len(model.started) == 2


@pytest.mark.parametrize("arguments", ["", "{", "[1]", '{"a": 1e999}', "[" * 10_000])
def test_arguments_that_are_no_object_are_given_on_as_they_are(arguments: str, model: FakeModel) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    ask(CHAT, model, messages=[*HI, {"role": "assistant", "tool_calls": [call]}])
    assert model.started[0].messages[1]["tool_calls"][0]["function"]["arguments"] == arguments


def test_a_model_that_cannot_chat_says_so(model: FakeModel) -> None:
    model.has_chat_template = False
    error = refusal(CHAT, model, messages=HI)
    assert error.param == "messages"
    assert "has no chat template: it continues text. Use /v1/completions" in error.message


def test_a_prompt_beyond_the_context_has_its_code(model: FakeModel) -> None:
    error = refusal(CHAT, model, messages=[{"role": "user", "content": "a" * 2000}])
    assert error.code == "context_length_exceeded"


def test_without_a_place_in_the_template_tools_are_told_in_the_system_message(model: FakeModel) -> None:
    model.takes_tools = False
    calls = [CALL, {**CALL, "id": "c2", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}]
    messages = [
        {"role": "system", "content": "Be brief."},
        *HI,
        {"role": "assistant", "content": "Well.", "tool_calls": calls},
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
        {"role": "tool", "content": "sun", "tool_call_id": "c2"},
    ]
    ask(CHAT, model, messages=messages, tools=[tool(description="Looks out of the window.")])
    system, user, assistant, result = model.started[0].messages
    told = json.loads(system["content"].partition("<tools>\n")[2].partition("\n</tools>")[0])
    assert system["content"].startswith("Be brief.\n\n")
    assert told["function"] == {
        "name": "weather",
        "description": "Looks out of the window.",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    assert user == HI[0]
    assert assistant["content"] == (
        'Well.\n<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>\n'
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>'
    )
    assert result == {
        "role": "user",
        "content": "<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>",
    }


@pytest.mark.parametrize("takes_tools", [True, False])
def test_with_tool_choice_none_the_model_is_not_told_of_tools(takes_tools: bool, model: FakeModel) -> None:
    model.takes_tools = takes_tools
    model.answer = '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>'
    answer = ask(CHAT, model, messages=HI, tools=[TOOL], tool_choice="none")
    assert model.started[0].text == "<user>hi\n<assistant>"
    assert model.started[0].options.constraint is None
    assert answer["choices"][0]["message"]["content"] == model.answer
