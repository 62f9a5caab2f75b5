"""What is drawn under a constraint has its form, whatever is drawn."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import numpy as np
import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import Constraint
from inference_pio.runtime.constraints import GrammarCompiler, grammar_constraint

from .conftest import END, PADDED, TURN

if TYPE_CHECKING:
    from .conftest import Answer

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "é", None]}}, "required": ["a"],
     "additionalProperties": False},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4},
    {"enum": ["one", "two", 3, None, {"k": [1]}]},
    {"const": {"a": 1}},
    {"type": "string", "maxLength": 5},
    {"type": "string", "pattern": "^[a-c]{2,5}$"},
    {"type": "string", "format": "date"},
    {"type": "integer", "minimum": -7, "maximum": 12},
    {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 0, "maximum": 9}]},
    {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "items": False, "minItems": 2},
    {"$defs": {"n": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
     "required": ["next"], "additionalProperties": False}}, "$ref": "#/$defs/n"},
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema)[:40])
def test_an_answer_parses_and_fulfils_the_schema(answer: Answer, schema: dict[str, Any], seed: int) -> None:
    jsonschema.validate(json.loads(answer("json_schema", schema, seed)[0]), schema)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("regex", ["[a-f]{3}", "(yes|no)", "x*", r"\d{2}-\d{2}", "é+!", "", "<end>"])
def test_the_whole_answer_matches_the_expression(answer: Answer, regex: str, seed: int) -> None:
    assert re.fullmatch(regex or "", answer("regex", regex or "(|)", seed)[0])


def test_a_grammar_is_followed(answer: Answer) -> None:
    text = answer("lark", 'start: "[" item ("," item){1,3} "]"\nitem: /[0-9]/')[0]
    assert re.fullmatch(r"\[[0-9](,[0-9]){1,3}\]", text)


def test_the_form_itself_ends_the_answer_where_nothing_can_follow(answer: Answer) -> None:
    assert answer("regex", "abc") == ("abc", None)
    assert answer("json_schema", {"const": True}) == ("true", None)


def test_any_end_token_may_come_where_the_answer_is_complete_and_none_before(answer: Answer) -> None:
    ends = {answer("regex", "a*", seed)[1] for seed in range(30)}
    assert ends == {END, TURN}
    assert all(len(answer("regex", "a{3,}", seed)[0]) >= 3 for seed in range(20))


def test_who_ignores_the_end_goes_on_until_nothing_else_is_left(answer: Answer) -> None:
    assert answer("regex", "a{0,9}", ignore_eos=True) == ("a" * 9, None)
    assert answer("regex", "(|)", ignore_eos=True)[0] == ""


def test_the_spelling_of_a_special_token_is_written_as_text(answer: Answer, compiler: GrammarCompiler) -> None:
    assert answer("regex", "<end>") == ("<end>", None)
    constraint = compiler.compile(Constraint(kind="regex", source="<end>!"))
    logits = np.zeros(PADDED, np.float32)
    constraint.mask(logits)
    assert logits[END] == -np.inf
    assert not np.isinf(logits).all()


def test_ids_that_no_token_has_are_forbidden(compiler: GrammarCompiler) -> None:
    logits = np.zeros(PADDED, np.float32)
    compiler.compile(Constraint(kind="regex", source="(?s:.*)")).mask(logits)
    assert np.isinf(logits[258])
    assert np.isinf(logits[267:]).all()
    assert np.isfinite(logits[[ord("a"), END, 266]]).all()


def test_white_space_comes_to_an_end(compiler: GrammarCompiler) -> None:
    constraint = compiler.compile(Constraint(kind="json_schema", source='{"type": "object"}'))
    for byte in b"{\n" + b" " * 32:
        constraint.accept(byte)
    with pytest.raises(InvalidOptionError, match="cannot be followed any further"):
        constraint.accept(ord(" "))


def test_constraints_of_one_schema_do_not_disturb_each_other(compiler: GrammarCompiler) -> None:
    wanted = Constraint(kind="regex", source="abc|xyz")
    first, second = compiler.compile(wanted), compiler.compile(wanted)
    first.accept(ord("a"))
    second.accept(ord("x"))
    for constraint, letter in ((first, "b"), (second, "y")):
        logits = np.zeros(PADDED, np.float32)
        constraint.mask(logits)
        assert np.flatnonzero(np.isfinite(logits)).tolist() == [ord(letter)]


def test_a_token_that_takes_too_long_ends_the_request(
    compiler: GrammarCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_constraint, "SLOW_STEP_S", -1.0)
    constraint = compiler.compile(Constraint(kind="regex", source="abc"))
    with pytest.raises(InvalidOptionError, match="seconds a token"):
        constraint.mask(np.zeros(PADDED, np.float32))


def test_a_vocabulary_without_an_end_ends_with_the_form(compiler: GrammarCompiler) -> None:
    endless = GrammarCompiler(compiler._source[0], [])
    constraint = endless.compile(Constraint(kind="regex", source="a{1,2}"))
    for _ in range(2):
        logits = np.zeros(PADDED, np.float32)
        constraint.mask(logits)
        assert set(np.flatnonzero(np.isfinite(logits)).tolist()) <= {ord("a")}
        constraint.accept(ord("a"))
    assert constraint.is_done
