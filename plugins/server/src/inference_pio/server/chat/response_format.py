"""What an answer must look like: any text, JSON, JSON that fits a schema, or a text that fits a regular expression."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from inference_pio.generation import Constraint

from .tools import FunctionName, schema_text

MAX_REGEX_CHARS = 10_000

ANY_OBJECT = {"type": "object"}


class TextFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """Any text."""


class JsonObjectFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schema and its name, which has no effect; the answer fits it whatever ``strict`` says."""

    name: FunctionName
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class JsonSchemaFormat(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json_schema"
):
    """JSON that fits a schema."""

    json_schema: JsonSchema


class RegexFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="regex"):
    """A text that a regular expression matches as a whole; an extension of the protocol."""

    regex: Annotated[str, Meta(min_length=1, max_length=MAX_REGEX_CHARS)]


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat | RegexFormat


def format_constraint(asked: ResponseFormat | None) -> Constraint | None:
    """Return what the engine must hold the answer to; ``None``: nothing.

    Raises:
        ApiError: 400: the schema cannot be used.
    """
    if isinstance(asked, RegexFormat):
        return Constraint(kind="regex", source=asked.regex)
    schema = None
    if isinstance(asked, JsonObjectFormat):
        schema = ANY_OBJECT
    elif isinstance(asked, JsonSchemaFormat):
        schema = ANY_OBJECT if asked.json_schema.schema is None else asked.json_schema.schema
    if schema is None:
        return None
    return Constraint(kind="json_schema", source=schema_text(schema, "response_format.json_schema.schema"))
