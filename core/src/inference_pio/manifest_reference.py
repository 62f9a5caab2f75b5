"""The JSON Schema of a manifest, and the same as a page for people; both come from the typed definition."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .manifest_fields import SCHEMA_VERSION, Manifest

SCHEMA_FILE = "plugin_manifest.schema.json"
"""The schema as it is shipped, beside this module."""

SCHEMA_ID = f"urn:inference-pio:plugin-manifest:{SCHEMA_VERSION}"

Schema = Mapping[str, Any]


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "plugin_manifest.json",
        **msgspec.json.schema(Manifest),
    }


def manifest_reference(*, level: int = 2) -> str:
    """Return the definition as Markdown: one section and one table for each kind of object.

    Args:
        level: Of the headings, from 1.
    """
    schema = manifest_schema()
    objects = schema["$defs"]
    names = ["Manifest", *(name for name in objects if name != "Manifest")]
    places = dict(_places("Manifest", "", objects))
    return "\n\n".join(_section(objects[name], places[name], "#" * level) for name in names) + "\n"


def _places(name: str, path: str, objects: Schema) -> Iterator[tuple[str, str]]:
    """Where in a manifest objects of a kind stand: name of the kind, path without the leading ``$.``."""
    yield name, path
    for key, field in objects[name]["properties"].items():
        kind, is_list = _referenced(field)
        if kind:
            yield from _places(kind, f"{path}.{key}{'[]' if is_list else ''}".lstrip("."), objects)


def _referenced(field: Schema) -> tuple[str, bool]:
    """The kind of object that a field holds, and whether it holds a list of them; empty for other fields."""
    is_list = field.get("type") == "array"
    inner = field["items"] if is_list else field
    parts = [inner, *inner.get("allOf", []), *inner.get("anyOf", [])]
    found = next((part["$ref"] for part in parts if "$ref" in part), "")
    return found.rpartition("/")[2], is_list


def _section(schema: Schema, place: str, heading: str) -> str:
    title = f"`{place}`" if place else "The manifest"
    rows = [_row(key, field, key in schema.get("required", ())) for key, field in schema["properties"].items()]
    table = ["| field | type | default | meaning | example |", "|---|---|---|---|---|", *rows]
    return "\n\n".join([f"{heading} {title}", schema["description"], "\n".join(table)])


def _row(key: str, field: Schema, is_required: bool) -> str:
    parts = {**next((part for part in field.get("anyOf", []) if "description" in part), {}), **field}
    default = "required" if is_required else f"`{json.dumps(field.get('default'))}`"
    example = f"`{json.dumps(parts['examples'][0])}`" if parts.get("examples") else "see below"
    cells = [f"`{key}`", _type(field), default, parts["description"], example]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


_NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def _type(field: Schema) -> str:
    kind, is_list = _referenced(field)
    if kind:
        return "list of objects" if is_list else "object"
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}s"
    return _NAMES[field["type"]]
