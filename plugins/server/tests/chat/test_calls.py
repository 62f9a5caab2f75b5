"""Calls of tools: found in what the model writes, however it arrives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.server.chat import ChatCompletions
from inference_pio.server.chat.tool_call_reader import CallArguments, CallStart, Piece, Text, ToolCallReader

from ..asking import ask, ask_stream
from ..fake_model import FakeModel
from .folding import checked, chunks_of, folded, plain

CHAT = ChatCompletions()
HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("weather", "time-now")]
ARGUMENTS = '{"city": "Z\\"}ü{", "days": [{"a": 1}]}'
ONE = f'<tool_call>\n{{"name": "weather", "arguments": {ARGUMENTS}}}\n</tool_call>'
OTHER = '<tool_call>{ "name" :"time-now",\n"arguments":{} } </tool_call>'
WRONG_ORDER = '<tool_call>{"arguments": {}, "name": "weather"}</tool_call>'
NO_ARGUMENTS = '<tool_call>{"name": "weather"}</tool_call>'
UNKNOWN = '<tool_call>{"name": "whether", "arguments": {}}</tool_call>'
LONG = "<tool_call>" + "x" * 300

CASES = [
    ("Hello", "Hello", []),
    (" \n Hello \n", " \n Hello \n", []),
    ("  ", "  ", []),
    ("", "", []),
    (ONE, "", [("weather", ARGUMENTS)]),
    (f"\n{ONE}\n", "", [("weather", ARGUMENTS)]),
    (f"Let me see.\n{ONE}", "Let me see.\n", [("weather", ARGUMENTS)]),
    (f"{ONE}\n{OTHER}\n{ONE}", "", [("weather", ARGUMENTS), ("time-now", "{}"), ("weather", ARGUMENTS)]),
    (f"{ONE} Done.", " Done.", [("weather", ARGUMENTS)]),
    ("a < b <tool", "a < b <tool", []),
    ("<<tool_call>", "<<tool_call>", []),
    (WRONG_ORDER, WRONG_ORDER, []),
    (NO_ARGUMENTS, NO_ARGUMENTS, []),
    (UNKNOWN, UNKNOWN, []),
    (LONG, LONG, []),
    (f"\n{UNKNOWN}{ONE}", f"\n{UNKNOWN}", [("weather", ARGUMENTS)]),
    (ONE[:11], ONE[:11], []),
    (ONE[:30], ONE[:30], []),
    (ONE[:60], "", [("weather", ARGUMENTS[: 60 - 45])]),
    (ONE[:-3], "", [("weather", ARGUMENTS)]),
    (ONE.replace("\n</tool_call>", "]"), "}]", [("weather", ARGUMENTS)]),
    (ONE.replace("}\n</tool_call>", "} </tool _call>"), "} </tool _call>", [("weather", ARGUMENTS)]),
]


def gathered(pieces: list[Piece]) -> tuple[str, list[tuple[str, str]]]:
    text, calls = "", list[tuple[str, str]]()
    for piece in pieces:
        if isinstance(piece, Text):
            text += piece.text
        elif isinstance(piece, CallStart):
            assert piece.index == len(calls)
            calls.append((piece.name, ""))
        else:
            assert isinstance(piece, CallArguments)
            calls[piece.index] = (calls[piece.index][0], calls[piece.index][1] + piece.text)
    return text, calls


@pytest.mark.parametrize(("written", "text", "calls"), CASES)
def test_a_text_holds_calls_however_it_is_cut(written: str, text: str, calls: list[tuple[str, str]]) -> None:
    for size in (1, 2, 5, 7, 1000):
        reader = ToolCallReader({"weather", "time-now"})
        pieces = [piece for at in range(0, len(written), size) for piece in reader.push(written[at : at + size])]
        assert gathered(pieces + reader.finish()) == (text, calls), size
        assert reader.calls == len(calls)


PART = st.sampled_from(
    ["<tool_call>", "</tool_call>", '{"name": "weather", "arguments": ', "{", "}", '"', "\n", "a", "<"]
)


@settings(deadline=None)
@given(st.lists(PART, max_size=12).map("".join), st.data())
def test_where_a_text_is_cut_never_matters(written: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(written)))
    reader, whole = ToolCallReader({"weather"}), ToolCallReader({"weather"})
    pieces = reader.push(written[:cut]) + reader.push(written[cut:]) + reader.finish()
    assert gathered(pieces) == gathered(whole.push(written) + whole.finish())
    if not whole.calls:
        assert gathered(pieces) == (written, [])


def test_text_is_passed_on_until_a_call_may_begin() -> None:
    reader = ToolCallReader({"weather"})
    assert reader.push("a <") == [Text("a ")]
    assert reader.push("b") == [Text("<b")]
    assert reader.push('c<tool_call>\n{"name": "weather", "argu') == [Text("c")]
    (start, arguments) = reader.push('ments": {"a"')
    assert isinstance(start, CallStart)
    assert arguments == CallArguments(0, '{"a"')
    assert reader.push(": 1}") == [CallArguments(0, ": 1}")]


@pytest.mark.parametrize(("written", "text", "calls"), CASES)
@pytest.mark.parametrize("n", [1, 2])
def test_streamed_and_whole_calls_agree(
    written: str, text: str, calls: list[tuple[str, str]], n: int, model: FakeModel
) -> None:
    model.answer = written
    asked: dict[str, Any] = {"messages": HI, "tools": TOOLS, "logprobs": True, "n": n}
    whole = checked(ask(CHAT, model, **asked))
    for choice in whole["choices"]:
        message = choice["message"]
        assert (message["content"], plain(choice)["calls"]) == ((text or None) if calls else text, calls)
        assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
        assert len(choice["logprobs"]["content"]) == len(written.encode())
    ids = [call["id"] for choice in whole["choices"] for call in choice["message"].get("tool_calls", [])]
    assert len(set(ids)) == len(ids)
    assert folded(chunks_of(ask_stream(CHAT, model, **asked))) == [plain(choice) for choice in whole["choices"]]


def test_a_call_that_the_limit_cuts_ends_with_length(model: FakeModel) -> None:
    model.answer = ONE
    (choice,) = checked(ask(CHAT, model, messages=HI, tools=TOOLS, max_tokens=60))["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"].startswith('{"city": ')
