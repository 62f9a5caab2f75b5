"""What ``/v1/responses`` takes, and what it refuses by name."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.generation import Constraint
from inference_pio.server.chat import ChatCompletions
from inference_pio.server.responses import Responses

from ..asking import ask, refusal
from ..fake_model import FakeModel

ENDPOINT = Responses()
TOOLS: list[Any] = [
    {"type": "function", "name": "dig", "description": "Digs.", "parameters": {"type": "object"}, "strict": True}
]
CHAT_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "dig", "description": "Digs.", "parameters": {"type": "object"}}}
]
CALL = {"type": "function_call", "call_id": "c1", "name": "dig", "arguments": '{"depth": 2}'}
CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "dig", "arguments": '{"depth": 2}'}}
CALLED = {"role": "assistant", "tool_calls": [CHAT_CALL]}
RETURNED = {"role": "tool", "tool_call_id": "c1", "content": "done"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "done"}
HI = {"role": "user", "content": "hi"}
KIND = {"role": "developer", "content": "Be kind."}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def said(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({"input": "hi"}, [HI]),
        ({"input": "hi", "instructions": "Be kind."}, [{"role": "system", "content": "Be kind."}, HI]),
        ({"input": [HI]}, [HI]),
        ({"input": [{**HI, "type": "message", "id": "msg_1", "status": "completed"}]}, [HI]),
        ({"input": [KIND, HI]}, [KIND, HI]),
        (
            {"input": [user([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])]},
            [user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])],
        ),
        (
            {"input": [HI, said([{"type": "output_text", "text": "ho", "annotations": [], "logprobs": []}]), HI]},
            [HI, said("ho"), HI],
        ),
        (
            {"input": [HI, said([{"type": "refusal", "refusal": "no"}]), HI]},
            [HI, said([{"type": "refusal", "refusal": "no"}]), HI],
        ),
        ({"input": [HI, CALL, RESULT], "tools": TOOLS}, [HI, CALLED, RETURNED]),
        (
            {"input": [HI, said("ho"), CALL, {**CALL, "call_id": "c2"}, RESULT], "tools": TOOLS},
            [HI, {**said("ho"), "tool_calls": [CHAT_CALL, {**CHAT_CALL, "id": "c2"}]}, RETURNED],
        ),
        ({"input": [HI, CALL, {**RESULT, "output": [{"type": "input_text", "text": "done"}]}]}, [HI, CALLED, RETURNED]),
    ],
)
@pytest.mark.parametrize("takes_tools", [True, False])
def test_a_conversation_is_the_same_as_in_chat(body: dict[str, Any], messages: list[Any], takes_tools: bool) -> None:
    model = FakeModel(takes_tools=takes_tools)
    ask(ENDPOINT, model, temperature=0, **body)
    tools = {"tools": CHAT_TOOLS} if "tools" in body else {}
    ask(ChatCompletions(), model, temperature=0, messages=messages, **tools)
    assert model.started[0] == model.started[1]


@pytest.mark.parametrize(
    ("fields", "in_chat"),
    [
        ({"max_output_tokens": 5}, {"max_completion_tokens": 5}),
        ({"temperature": 0.5, "top_p": 0.5, "seed": 7}, {"temperature": 0.5, "top_p": 0.5, "seed": 7}),
        ({"text": {"format": {"type": "text"}}}, {}),
        ({"text": {}}, {}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "array"}, "strict": True}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array"}}}},
        ),
        (
            {"text": {"format": {"type": "regex", "regex": "a*"}}},
            {"response_format": {"type": "regex", "regex": "a*"}},
        ),
        ({"tools": TOOLS, "tool_choice": "required"}, {"tools": CHAT_TOOLS, "tool_choice": "required"}),
        ({"tools": TOOLS, "tool_choice": "none"}, {"tools": CHAT_TOOLS, "tool_choice": "none"}),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "name": "dig"}},
            {"tools": CHAT_TOOLS, "tool_choice": {"type": "function", "function": {"name": "dig"}}},
        ),
        ({"tools": TOOLS, "parallel_tool_calls": False}, {"tools": CHAT_TOOLS, "parallel_tool_calls": False}),
    ],
)
def test_settings_are_the_same_as_in_chat(model: FakeModel, fields: dict[str, Any], in_chat: dict[str, Any]) -> None:
    ask(ENDPOINT, model, input="hi", **fields)
    ask(ChatCompletions(), model, messages=[HI], **in_chat)
    assert model.started[0] == model.started[1]


def test_a_schema_holds_the_answer(model: FakeModel) -> None:
    ask(ENDPOINT, model, input="hi", text={"format": {"type": "json_object"}})
    assert model.started[0].options.constraint == Constraint(kind="json_schema", source='{"type": "object"}')


def test_null_is_the_same_as_nothing(model: FakeModel) -> None:
    names = (
        "instructions", "max_output_tokens", "stream", "stream_options", "text", "tools", "tool_choice", "metadata",
        "parallel_tool_calls", "safety_identifier", "service_tier", "truncation", "store", "background", "include",
        "previous_response_id", "conversation", "reasoning", "max_tool_calls", "temperature", "top_p", "user",
    )  # fmt: skip
    ask(ENDPOINT, model, input="hi")
    ask(ENDPOINT, model, input="hi", **dict.fromkeys(names))
    assert model.started[0] == model.started[1]


def test_fields_that_say_what_is_anyway_are_taken(model: FakeModel) -> None:
    ask(
        ENDPOINT, model, input="hi", store=False, background=False, include=[], truncation="disabled",
        service_tier="auto",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "input", "missing"),
        ({"input": []}, "input", "length >= 1"),
        ({"input": None}, "input", "got `null`"),
        ({"input": ["hi"]}, "input[0]", "got `str`"),
        ({"input": [{"content": "hi"}]}, "input[0].role", "missing"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing"),
        ({"input": [{"role": "user", "content": []}]}, "input[0].content", "empty list"),
        ({"input": [{"role": "tool", "content": "hi"}]}, "input[0].role", "tool"),
        ({"input": [{**HI, "name": "me"}]}, "input[0].name", "no such field"),
        ({"input": [{**HI, "colour": "red"}]}, "input[0].colour", "not supported"),
        ({"input": [{"type": "reasoning"}]}, "input[0].type", "reasoning"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type", "keeps nothing"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].type",
            "text only",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "refusal", "refusal": "no"}]}]},
            "input[0].content[0].type",
            "only answers",
        ),
        ({"input": [HI, {"type": "function_call", "name": "dig", "arguments": "{}"}]}, "input[1].call_id", "missing"),
        ({"input": [HI, {**CALL, "output": "x"}]}, "input[1].output", "no such field"),
        ({"input": [HI, RESULT]}, "input[1].call_id", "no earlier"),
        ({"input": [HI, CALL, {**RESULT, "call_id": "c2"}], "instructions": "x"}, "input[2].call_id", "no earlier"),
        ({"input": "hi", "tools": TOOLS * 2}, "tools[1].name", "already"),
        (
            {"input": "hi", "tools": [{**TOOLS[0], "parameters": {"type": "array"}}]},
            "tools[0].parameters.type",
            "object",
        ),
        ({"input": "hi", "tools": [{"type": "web_search"}]}, "tools[0].type", "functions"),
        ({"input": "hi", "tools": CHAT_TOOLS}, "tools[0].function", "not supported"),
        ({"input": "hi", "tool_choice": "required"}, "tool_choice", "needs tools"),
        ({"input": "hi", "tool_choice": {"type": "function", "name": "eat"}}, "tool_choice.name", "no tool"),
        ({"input": "hi", "text": {"format": {"type": "xml"}}}, "text.format.type", "xml"),
        ({"input": "hi", "text": {"verbosity": "low"}}, "text.verbosity", "short or long"),
        ({"input": "hi", "text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema", "missing"),
        (
            {"input": "hi", "tools": TOOLS, "text": {"format": {"type": "regex", "regex": "a"}}},
            "text.format.type",
            "combined with tools",
        ),
        ({"input": "hi", "store": True}, "store", "keeps no answers"),
        ({"input": "hi", "background": True}, "background", "keeps nothing"),
        ({"input": "hi", "previous_response_id": "resp_1"}, "previous_response_id", "whole conversation"),
        ({"input": "hi", "conversation": {"id": "c"}}, "conversation", "whole conversation"),
        ({"input": "hi", "include": ["reasoning.encrypted_content"]}, "include", "nothing more"),
        ({"input": "hi", "reasoning": {"effort": "low"}}, "reasoning", "no levels"),
        ({"input": "hi", "truncation": "auto"}, "truncation", "shorten it yourself"),
        ({"input": "hi", "max_tool_calls": 3}, "max_tool_calls", "calls no tools"),
        ({"input": "hi", "service_tier": "flex"}, "service_tier", "flex"),
        ({"input": "hi", "prompt": {"id": "p"}}, "prompt", "not supported"),
        ({"input": "hi", "prompt_cache_key": "k"}, "prompt_cache_key", "leave it out"),
        ({"input": "hi", "max_output_tokens": 0}, "max_output_tokens", ">= 1"),
        ({"input": "hi", "n": 2}, "n", "not supported"),
        ({"input": "hi", "messages": [HI]}, "messages", "not supported"),
        ({"input": "hi", "stream_options": {}}, "stream_options", "stream = true"),
        ({"input": "hi", "temperature": 3}, "temperature", "<= 2"),
        ({"input": "hi", "metadata": {"a": 1}}, "metadata", "got `int`"),
        ({"input": "hi", "logit_bias": {"300": 1}}, "logit_bias", "from 0 to 256"),
    ],
)
def test_what_cannot_be_is_refused_by_name(model: FakeModel, body: dict[str, Any], param: str, words: str) -> None:
    error = refusal(ENDPOINT, model, **body)
    assert (error.param, words in error.message) == (param, True), error.message
    assert model.started == []


def test_a_model_without_a_chat_template_is_no_use_here() -> None:
    assert refusal(ENDPOINT, FakeModel(has_chat_template=False), input="hi").param == "input"
