"""Constraints that are broken, hostile or not enforced are refused with the reason, in bounded time."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import Constraint
from inference_pio.runtime.constraints import GrammarCompiler, compiler

DEEP = '{"type":"array","items":' * 5000 + "{}" + "}" * 5000
NEVER_ENDS = {"allOf": [{"type": "string", "pattern": f"a{{0,{i}}}.*"} for i in range(60)]}
EXPONENTIAL: dict[str, Any] = {"$ref": "#/$defs/d40"} | {
    "$defs": {"d0": {"type": "string", "pattern": "a+"}}
    | {f"d{i + 1}": {"allOf": [{"$ref": f"#/$defs/d{i}"}, {"$ref": f"#/$defs/d{i}"}]} for i in range(40)}
}

REFUSED: list[tuple[str, Any, str]] = [
    ("json_schema", {"type": "string", "maxlength": 3}, "at # has the keyword 'maxlength'"),
    ("json_schema", {"properties": {"a": {"items": {"not": {}}}}}, "at #/properties/a/items has the keyword 'not'"),
    ("json_schema", {"anyOf": [{"uniqueItems": True}]}, "at #/anyOf/0 has the keyword 'uniqueItems'"),
    ("json_schema", {"x-guidance": {"lenient": True}, "not": {}}, "'x-guidance'"),
    ("json_schema", {"type": "strin"}, "Invalid type: strin"),
    ("json_schema", {"type": "string", "format": "nonsense"}, "Unknown format: nonsense"),
    ("json_schema", {"oneOf": [{"type": "string"}, {"type": "string", "minLength": 3}]}, "use anyOf"),
    ("json_schema", {"type": "integer", "minimum": 5, "maximum": 3}, "Unsatisfiable schema"),
    ("json_schema", {"$ref": "http://example.com/y"}, "http://example.com/y"),
    ("json_schema", {"$ref": "file:///etc/passwd"}, "file:///etc/passwd"),
    ("json_schema", {"$ref": "#/$defs/none"}, "does not exist"),
    ("json_schema", {"$ref": "#"}, "nothing fulfils it"),
    ("json_schema", {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "nothing fulfils it"),
    ("json_schema", "false", "nothing fulfils"),
    ("json_schema", "null", "must be an object"),
    ("json_schema", "[1]", "must be an object"),
    ("json_schema", {"properties": {"a": 3}}, "at #/properties/a must be an object"),
    ("json_schema", '{"a":', "not valid JSON"),
    ("json_schema", '{"type": "string", "type": "null"}', "'type' stands twice"),
    ("json_schema", '{"minimum": NaN}', "NaN is no number"),
    ("json_schema", '{"type": "number", "minimum": 1e999}', "number out of range"),
    ("json_schema", '{"type": "integer", "minimum": ' + "9" * 5000 + "}", ""),
    ("json_schema", '{"const": "\\ud800"}', "hex escape"),
    ("json_schema", '{"const": "\ud800"}', "lone surrogate"),
    ("json_schema", DEEP, ""),
    ("json_schema", {"type": "string", "pattern": "^a(?=b)"}, "look-around"),
    ("regex", "(a|b", "unclosed group"),
    ("regex", r"(a)\1", "backreferences"),
    ("regex", "(a{1000}){1000}", ""),
    ("regex", "(a?){3000}a{3000}", ""),
    ("regex", "(" * 1000 + "a" + ")" * 1000, ""),
    ("regex", "x" * 200_000, "131072 are allowed"),
    ("regex", "\udfff", "lone surrogate"),
    ("lark", 'foo: "a"', "no start rule"),
    ("lark", "start: a\na: b\nb: a", "nothing fulfils it"),
    ("lark", 'start: "a" <end>', "special token"),
    ("lark", "start: %json {not json}", ""),
]


@pytest.mark.parametrize(("kind", "source", "reason"), REFUSED, ids=lambda value: ascii(value)[:40])
def test_it_is_refused_with_the_reason(compiler: GrammarCompiler, kind: Any, source: Any, reason: str) -> None:
    text = source if isinstance(source, str) else json.dumps(source)
    with pytest.raises(InvalidOptionError) as caught:
        compiler.compile(Constraint(kind=kind, source=text))
    assert str(caught.value).startswith("constraint: ")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.slow
@pytest.mark.parametrize("schema", [NEVER_ENDS, EXPONENTIAL])
def test_a_schema_that_compiles_for_ever_is_given_up(compiler: GrammarCompiler, schema: Any) -> None:
    with pytest.raises(InvalidOptionError, match="more than 3 seconds"):
        compiler.compile(Constraint(kind="json_schema", source=json.dumps(schema)))


@pytest.mark.parametrize(
    "schema",
    [
        {"title": "t", "description": "d", "default": 1, "examples": [], "x-order": 3, "type": "integer"},
        {"type": "object", "properties": {"not": {"type": "null"}, "maxlength": {"type": "null"}}},
        {"enum": [{"uniqueItems": 1}]},
        {"enum": [f"word {number}" for number in range(5000)]},
        True,
    ],
)
def test_notes_names_and_values_are_no_keywords(compiler: GrammarCompiler, schema: Any) -> None:
    compiler.compile(Constraint(kind="json_schema", source=json.dumps(schema)))


def test_the_same_constraint_is_compiled_once_and_so_is_a_refusal(
    compiler: GrammarCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = count_calls(monkeypatch)
    for source in ("a+", "(", "a+", "("):
        try:
            compiler.compile(Constraint(kind="regex", source=source))
        except InvalidOptionError:
            assert source == "("
    assert [constraint.source for constraint in compiled] == ["a+", "("]


def test_threads_that_ask_for_the_same_wait_for_one(compiler: GrammarCompiler, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = count_calls(monkeypatch)
    wanted = Constraint(kind="regex", source="[a-z]{3}")
    threads = [threading.Thread(target=compiler.compile, args=(wanted,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compiled == [wanted]


def test_only_so_many_are_kept(compiler: GrammarCompiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_pio.runtime.constraints.compiler.KEPT", 2)
    compiled = count_calls(monkeypatch)
    for number in (1, 2, 1, 3, 1, 2):
        compiler.compile(Constraint(kind="json_schema", source=json.dumps({"const": number})))
    assert [json.loads(constraint.source)["const"] for constraint in compiled] == [1, 2, 3, 2]


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[Constraint]:
    calls: list[Constraint] = []
    real = compiler._compile

    def compile_and_count(constraint: Constraint, vocabulary: Any) -> Any:
        calls.append(constraint)
        return real(constraint, vocabulary)

    monkeypatch.setattr(compiler, "_compile", compile_and_count)
    return calls
