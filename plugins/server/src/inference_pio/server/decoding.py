"""``decode_body``: bytes to a request, or an error that names what is wrong in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec import inspect

from inference_pio.names import nearest_names

from .api_errors import ApiError, invalid
from .endpoint import RequestBody
from .refusals import FIELD_REASONS, VALUE_REASONS, because

B = TypeVar("B", bound=RequestBody)

_MAX_SHOWN_CHARS = 100

# What msgspec says: "Expected `int`, got `str` - at `$.messages[0].content`", "… - at `key` in `$.logit_bias`".
_PLACE = re.compile(r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_WRONG_VALUE = re.compile(r"Invalid (?:enum )?value '?(.*?)'?", re.DOTALL)
_LAST_NAME = re.compile(r"[^.\[\]]+(?=(?:\[[^\]]*\])*$)")
_STEP = re.compile(r"([^.\[\]]+)|\[[^\]]*\]")


def decode_body(body: bytes, kind: type[B]) -> B:
    """Make a request of a body.

    A name that stands twice in an object counts with its last value, as in Python and JavaScript.

    Args:
        body: What the client sent, JSON in UTF-8.
        kind: What it must be.

    Raises:
        ApiError: 400; ``param`` is the path of the field, ``messages[0].content``, where one field is to blame.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error), kind) from None
    except UnicodeDecodeError as error:
        raise ApiError(400, f"the body is not UTF-8: {error.reason}") from None
    except msgspec.DecodeError as error:
        raise ApiError(
            400,
            f"the body is not JSON: {error}. NaN, Infinity and escapes of half a character (\\ud800) are none either",
        ) from None
    except RecursionError:
        raise ApiError(400, "the body is nested too deeply") from None


def _explain(said: str, kind: type[RequestBody]) -> ApiError:
    match = _PLACE.fullmatch(said)
    assert match is not None, "it matches every text"
    what = match["what"]
    # Keys of a mapping are all told as [...]: the path ends at the mapping.
    path = (match["path"] or "").partition("[...]")[0]
    if unknown := _UNKNOWN_FIELD.fullmatch(what):
        return _unknown_field(path, unknown[1], kind)
    if missing := _MISSING_FIELD.fullmatch(what):
        param = _join(path, missing[1])
        return invalid(param, f"{param} is missing")
    if not path:
        return ApiError(400, f"the body must be a JSON object: {_lower(what)}")
    reason = because(FIELD_REASONS, _LAST_NAME.findall(path)[-1])
    if wrong := _WRONG_VALUE.fullmatch(what):
        hint = because(VALUE_REASONS, wrong[1]) or reason
        return invalid(path, f"{path}: {_shown(wrong[1])!r} is not supported{hint}")
    return invalid(path, f"{path}: {'a key is wrong: ' if match['key'] else ''}{_lower(what)}{reason}")


def _unknown_field(path: str, name: str, kind: type[RequestBody]) -> ApiError:
    param = _join(path, _shown(name))
    hint = because(FIELD_REASONS, name)
    if not hint:
        nearest = nearest_names(_shown(name), sorted(_fields_at(path, kind)), limit=1)
        hint = f"; the nearest that is: {nearest[0]}" if nearest else ""
    return invalid(param, f"{param} is not supported{hint}")


def _fields_at(path: str, kind: type[RequestBody]) -> set[str]:
    """Return the names of the fields that an object at a path may have, of all the kinds that may stand there."""
    types: list[inspect.Type] = [inspect.type_info(kind)]
    for step in _STEP.finditer(path):
        types = list(_after(types, step[1]))
    structs = (each for each in _flat(types) if isinstance(each, inspect.StructType))
    return {field.encode_name for struct in structs for field in struct.fields}


def _after(types: Iterable[inspect.Type], field: str | None) -> Iterator[inspect.Type]:
    for each in _flat(types):
        if field is None and isinstance(each, inspect.ListType):
            yield each.item_type
        elif field is not None and isinstance(each, inspect.StructType):
            yield from (known.type for known in each.fields if known.encode_name == field)


def _flat(types: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    for each in types:
        if isinstance(each, inspect.UnionType):
            yield from each.types
        elif isinstance(each, inspect.Metadata):
            yield from _flat([each.type])
        else:
            yield each


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARS else text[:_MAX_SHOWN_CHARS] + "…"


def _lower(text: str) -> str:
    return _shown(text[:1].lower() + text[1:])
