"""Streamed and whole answers agree, and obey everything that was asked for at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.generation import SamplingOptions
from inference_pio.server.chat import ChatCompletions

from ..asking import ask, ask_stream
from ..fake_model import FakeModel, Started
from .folding import checked, chunks_of, folded, plain

CHAT = ChatCompletions()
HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"seed": {"type": "integer"}}}
FORMATS = [
    {"type": "text"},
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "seeded", "schema": SCHEMA}},
    {"type": "regex", "regex": "[^x]*"},
]


def say(started: Started) -> str:
    """Say something that depends on what was asked for; a model that is held to JSON says JSON."""
    told = {"seed": started.options.seed, "words": "Übung 🙂 macht"}
    constraint = started.options.constraint
    return json.dumps(told, ensure_ascii=False) if constraint and constraint.kind == "json_schema" else f"{told}."


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(-(2**63), 2**63 - 1),
        "stop": st.sampled_from(["macht", ["never", "🙂"], "seed", []]),
        "response_format": st.sampled_from(FORMATS),
        "logprobs": st.booleans(),
        "n": st.integers(1, 4),
        "max_tokens": st.integers(1, 60),
        "tools": st.just([{"type": "function", "function": {"name": "weather"}}]),
    },
)


@settings(deadline=None, max_examples=60)  # never a test on the clock
@given(OPTIONS, st.integers(0, 3), st.booleans())
def test_streamed_and_whole_answers_agree_and_obey_all(options: dict[str, Any], top: int, told_usage: bool) -> None:
    if options.get("logprobs"):
        options["top_logprobs"] = top
    if options.get("response_format", {}).get("type") == "regex":
        options.pop("tools", None)
    whole_model, stream_model = FakeModel(answer=say), FakeModel(answer=say)
    whole = checked(ask(CHAT, whole_model, messages=HI, **options))
    stream_options = {"stream_options": {"include_usage": True}} if told_usage else {}
    chunks = chunks_of(ask_stream(CHAT, stream_model, messages=HI, **options, **stream_options))

    assert stream_model.started == whole_model.started
    assert folded(chunks) == [plain(choice) for choice in whole["choices"]]
    assert [choice["index"] for choice in whole["choices"]] == list(range(options.get("n", 1)))
    _check_usage(chunks, whole["usage"] if told_usage else None)
    for started, choice in zip(whole_model.started, whole["choices"], strict=True):
        _check_choice(options, started, choice)


def _check_usage(chunks: list[Any], usage: Any) -> None:
    if usage is None:
        assert all("usage" not in chunk for chunk in chunks)
    else:
        assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert (chunks[-1]["usage"], chunks[-1]["choices"]) == (usage, [])


def _check_choice(options: dict[str, Any], started: Started, choice: Any) -> None:
    seed = options.get("seed")
    assert started.options.seed == (None if seed is None else seed + choice["index"])
    text, stops = choice["message"]["content"], options.get("stop", [])
    uncut = say(started)
    for stop in [stops] if isinstance(stops, str) else stops:
        uncut = uncut.partition(stop)[0]
    tokens = list(uncut.encode())
    most = options.get("max_tokens", len(tokens))
    assert text == bytes(tokens[:most]).decode(errors="ignore")
    assert choice["finish_reason"] == ("length" if most < len(tokens) else "stop") or most == len(tokens)
    if options.get("logprobs"):
        told = choice["logprobs"]["content"]
        assert [token for each in told for token in each["bytes"]] == tokens[:most]
        assert {len(each["top_logprobs"]) for each in told} <= {options["top_logprobs"]}
    else:
        assert choice["logprobs"] is None


def test_characters_of_several_tokens_are_whole_in_deltas_and_in_bytes_in_logprobs(model: FakeModel) -> None:
    model.answer = "aü🙂"
    chunks = chunks_of(ask_stream(CHAT, model, messages=HI, logprobs=True))
    deltas = [choice for chunk in chunks for choice in chunk["choices"] if choice["delta"].get("content")]
    assert [choice["delta"]["content"] for choice in deltas] == ["a", "ü", "🙂"]
    told = [[entry["bytes"] for entry in choice["logprobs"]["content"]] for choice in deltas]
    assert told == [[[byte] for byte in char.encode()] for char in "aü🙂"]
    assert deltas[1]["logprobs"]["content"][0]["token"] == "\N{REPLACEMENT CHARACTER}"


def test_an_answer_that_says_nothing_has_an_empty_content(model: FakeModel) -> None:
    model.answer = ""
    message = checked(ask(CHAT, model, messages=HI))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "", "refusal": None}


def test_labels_are_told_back_where_the_protocol_has_a_place_for_them(model: FakeModel) -> None:
    body = checked(ask(CHAT, model, messages=HI, metadata={"a": "b"}, service_tier="auto", user="u", store=False))
    assert (body["metadata"], body["service_tier"], body["model"]) == ({"a": "b"}, "default", "fake")
    assert body["id"].startswith("chatcmpl-")
    chunks = chunks_of(ask_stream(CHAT, model, messages=HI, service_tier="default"))
    assert {chunk["service_tier"] for chunk in chunks} == {"default"}


@pytest.mark.parametrize(("recommended", "used"), [(0.2, 0.2), (None, 1.0)])
def test_without_a_temperature_the_models_own_holds(recommended: float | None, used: float) -> None:
    model = FakeModel(sampling_defaults=SamplingOptions(temperature=recommended))
    ask(CHAT, model, messages=HI)
    assert model.started[0].options.temperature == used
