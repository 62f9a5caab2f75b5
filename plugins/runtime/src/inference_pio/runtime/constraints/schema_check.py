"""What a JSON schema may hold: only what is enforced, and what enforces nothing in any validator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from inference_pio.errors import InvalidOptionError

ENFORCED = frozenset(
    {
        "$ref",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
    }
    | {"items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties"}
    | {
        "minimum",
        "multipleOf",
        "oneOf",
        "pattern",
        "patternProperties",
        "prefixItems",
        "properties",
        "required",
        "type",
    }
)
_NOTES = frozenset(
    {"$anchor", "$comment", "$defs", "$id", "$schema", "contentEncoding", "contentMediaType", "default", "definitions"}
    | {"deprecated", "description", "discriminator", "examples", "readOnly", "title", "writeOnly"}
)
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")


def check_schema(source: str) -> Any:
    """Check a JSON schema, and return it decoded.

    JSON Schema lets validators ignore keywords that they do not know. Here that would be an answer that breaks a rule
    somebody wrote down, so unknown keywords are refused, except for those that begin with ``x-``.

    Raises:
        InvalidOptionError: It is no JSON, no schema, or has a keyword that is not enforced.
    """
    try:
        schema = json.loads(source, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        refuse("the schema is nested too deeply")
    except ValueError as error:
        refuse(f"the schema is not valid JSON: {error}")
    todo = [("#", schema)]
    while todo:
        place, part = todo.pop()
        if not isinstance(part, (dict, bool)):
            refuse(f"the schema at {place} must be an object, true or false, not {type(part).__name__}")
        if isinstance(part, dict):
            _check_keywords(place, part)
            todo += _parts(place, part)
    return schema


def refuse(reason: str) -> NoReturn:
    """Raise an error of the option ``constraint``."""
    raise InvalidOptionError(f"constraint: {reason}")


def _check_keywords(place: str, schema: dict[str, Any]) -> None:
    for keyword in schema:
        is_known = keyword in ENFORCED or keyword in _NOTES
        # llguidance's own key could switch its checks off.
        if not is_known and (not keyword.startswith("x-") or keyword == "x-guidance"):
            refuse(
                f"the schema at {place} has the keyword {keyword[:80]!r}, which cannot be enforced. "
                f"Known: {', '.join(sorted(ENFORCED))}"
            )


def _parts(place: str, schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in _MAPS:
        if isinstance(parts := schema.get(keyword), dict):
            yield from ((f"{place}/{keyword}/{name}", part) for name, part in parts.items())
    for keyword in _LISTS:
        if isinstance(parts := schema.get(keyword), list):
            yield from ((f"{place}/{keyword}/{number}", part) for number, part in enumerate(parts))
    for keyword in _SINGLE:
        if keyword in schema:
            yield f"{place}/{keyword}", schema[keyword]


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    decoded = dict(pairs)
    if len(decoded) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return decoded


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
