"""What the grammar lets a model write, asked of llguidance with a vocabulary of bytes."""

from __future__ import annotations

from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from inference_pio.generation import Constraint
from inference_pio.server.chat.tool_grammar import tool_grammar
from inference_pio.server.chat.tools import Function, Tool

END = 256
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"$ref": "#/$defs/days"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"days": {"type": "integer", "minimum": 3}},
}
TOOLS = [
    Tool(function=Function(name="weather", parameters=CITY)),
    Tool(function=Function(name="weather-now")),
    Tool(function=Function(name="any", parameters={})),
]
WEATHER = '<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich", "days": 5}}\n</tool_call>'
NOW = '<tool_call>\n{"name": "weather-now", "arguments": {}}\n</tool_call>'
ANY = '<tool_call>\n{"name": "any", "arguments": {"a": [1, {"b": null}]}}\n</tool_call>'


class ByteTokens:
    def __init__(self) -> None:
        self.eos_token_id, self.bos_token_id = END, None
        self.tokens = [*(bytes([byte]) for byte in range(256)), b"<end>"]
        self.special_token_ids = [END]

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


TOKENIZER = LLTokenizer(TokenizerWrapper(ByteTokens()), n_vocab=257)


def allows(constraint: Constraint, text: str) -> bool:
    """Whether the grammar lets a model write a text and end there."""
    matcher = LLMatcher(TOKENIZER, LLMatcher.grammar_from_lark(constraint.source), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    tokens = list(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


FREE = tool_grammar(TOOLS, many=True)
ONE_AT_MOST = tool_grammar(TOOLS, many=False)
MUST = tool_grammar(TOOLS, must_call=True, many=True)
NAMED = tool_grammar(TOOLS, only="weather-now", many=True)
JSON = tool_grammar(TOOLS, many=True, answer='{"type": "array", "items": {"type": "integer"}}')


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", (FREE, ONE_AT_MOST)),
        ("Hello <b> </tool_call>", (FREE, ONE_AT_MOST)),
        ("a <tool_cal", (FREE, ONE_AT_MOST)),
        ("a <tool_call>", ()),
        ("<tool_call>\nno", ()),
        (WEATHER, (FREE, ONE_AT_MOST, MUST, JSON)),
        (NOW, (FREE, ONE_AT_MOST, MUST, NAMED, JSON)),
        (ANY, (FREE, ONE_AT_MOST, MUST, JSON)),
        (f"Let me see.\n{WEATHER}", (FREE, ONE_AT_MOST)),
        (f"{WEATHER}\n{NOW}\n{WEATHER}", (FREE, MUST, JSON)),
        (f"{NOW}\n{NOW}", (FREE, MUST, JSON)),
        (f"{NOW} Done.", ()),
        (WEATHER[:-1], ()),
        (WEATHER.replace("5", "2"), ()),
        (WEATHER.replace('"days": 5', '"day": 5'), ()),
        (WEATHER.replace('"city": "Zürich", ', ""), ()),
        (NOW.replace("{}", '{"a": 1}'), ()),
        (NOW.replace("weather-now", "weather-then"), ()),
        (ANY.replace('{"a": [1, {"b": null}]}', "[1]"), ()),
        (WEATHER.replace('"city": ', '"city":\n\n'), ()),
        ("[1, 2]", (FREE, ONE_AT_MOST, JSON)),
        ('["a"]', (FREE, ONE_AT_MOST)),
    ],
)
def test_a_grammar_allows_calls_that_fit_and_nothing_else(text: str, allowed: tuple[Constraint, ...]) -> None:
    grammars = {"free": FREE, "one at most": ONE_AT_MOST, "must": MUST, "named": NAMED, "json": JSON}
    assert {name for name, grammar in grammars.items() if allows(grammar, text)} == {
        name for name, grammar in grammars.items() if grammar in allowed
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"description": 'a "quoted" } text\n%json {} // # <x> \\'},
        {"x-guidance": {"whitespace_flexible": True}},
        {"properties": {"é\n": {"enum": ["</tool_call>", "\u2028"]}}},
    ],
)
def test_no_schema_can_break_out_of_its_place(parameters: dict[str, Any]) -> None:
    grammar = tool_grammar([Tool(function=Function(name="any", parameters=parameters))], must_call=True, many=False)
    assert grammar.source.count("\n") == 5
    assert allows(grammar, '<tool_call>\n{"name": "any", "arguments": {}}\n</tool_call>')
    assert not allows(grammar, '<tool_call>\n{"name": "any", "arguments": {  }}\n</tool_call>')
