from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import inference_pio
from inference_pio.manifest import check_manifest
from inference_pio.manifest_reference import SCHEMA_FILE, manifest_reference, manifest_schema


def fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind, schema in manifest_schema()["$defs"].items():
        for key, field in schema["properties"].items():
            choices = [part for part in field.get("anyOf", []) if "description" in part]
            yield kind, key, {**(choices[0] if choices else {}), **field}


FIELDS = list(fields())


def holds_objects(field: dict[str, Any]) -> bool:
    return "$ref" in json.dumps(field)


def test_the_shipped_schema_is_the_generated_one() -> None:
    shipped = importlib.resources.files(inference_pio).joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
    assert json.loads(shipped) == manifest_schema(), "write it anew: inference-pio schema > plugin_manifest.schema.json"


def test_the_schema_says_which_version_of_what_it_is() -> None:
    schema = manifest_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["$id"] == "urn:inference-pio:plugin-manifest:1"


@pytest.mark.parametrize(("kind", "key", "field"), FIELDS, ids=[f"{kind}.{key}" for kind, key, _ in FIELDS])
def test_every_field_says_what_it_is_for_with_an_example_and_its_unit(
    kind: str, key: str, field: dict[str, Any]
) -> None:
    assert re.fullmatch(r"[A-Z`].*[.]", field["description"])
    if not holds_objects(field):
        assert field["examples"]
    if key.endswith(("_gb", "_bytes")):
        assert "bytes" in field["description"]


def test_every_example_is_valid_where_it_stands(manifest_data: dict[str, Any]) -> None:
    manifest_data["weights"] = [{"id": "a", "source": "b"}]
    places = {
        "Manifest": manifest_data,
        "Compatibility": manifest_data["compatibility"],
        "EntryPoint": manifest_data["entry_point"],
        "WeightsEntry": manifest_data["weights"][0],
    }
    for kind, key, field in FIELDS:
        for example in field.get("examples", []):
            places[kind][key] = example
    assert check_manifest(json.dumps(manifest_data)).faults == ()


def test_the_page_has_a_row_for_every_field_and_a_section_for_every_object() -> None:
    page = manifest_reference(level=3)
    assert re.findall(r"^### (.*)$", page, re.MULTILINE) == [
        "The manifest", "`compatibility`", "`entry_point`", "`weights[]`",
    ]  # fmt: skip
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(key for _, key, _ in FIELDS)
    assert all(line.count("|") == 6 for line in page.splitlines() if line.startswith("| "))


def test_the_page_says_types_and_defaults_in_plain_words() -> None:
    page = manifest_reference()
    assert "| `name` | text | required |" in page
    assert "| `schema_version` | whole number | `1` |" in page
    assert "| `source` | text or list of texts | required |" in page
    assert '| `format` | `"gguf"` or `"safetensors"` or null | `null` |' in page
