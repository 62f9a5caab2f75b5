from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_pio.errors import ManifestError
from inference_pio.manifest import Manifest, check_manifest, manifest_schema, parse_manifest


def at(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Put a value at a dotted path; numbers are list indices."""
    *parents, last = path.split(".")
    target: Any = data
    for key in parents:
        target = target[int(key) if key.isdigit() else key]
    if value is ...:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return data


def test_the_seeds_manifest_validates_unchanged(seed_manifest: str) -> None:
    manifest = parse_manifest(seed_manifest)
    assert manifest.name == "ModelName"
    assert manifest.compatibility.min_memory_gb == 8.0
    assert manifest.entry_point.class_name == "ModelName_Plugin"
    assert manifest.supported_modalities == ["text"]
    assert check_manifest(seed_manifest).unknown == ()


OPTIONAL = {"schema_version", "host_api", "weights"}


@pytest.mark.parametrize("key", [key for key in Manifest.__struct_fields__ if key not in OPTIONAL])
def test_every_field_of_the_seed_is_required(seed_manifest: str, key: str) -> None:
    data = json.loads(seed_manifest)
    del data[key]
    assert check_manifest(json.dumps(data)).faults == (f"$.{key}: missing",)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("name", "", "$.name: Expected `str` of length >= 1"),
        ("name", 5, "$.name: Expected `str`, got `int`"),
        ("num_parameters", -1, "$.num_parameters: Expected `int` >= 0"),
        ("num_parameters", 1.5, "$.num_parameters: Expected `int`, got `float`"),
        ("tags", "chat", "$.tags: Expected `array`, got `str`"),
        ("supported_modalities.0", None, "$.supported_modalities[0]: Expected `str`, got `null`"),
        ("required_memory_gb", "8", "$.required_memory_gb: Expected `float`, got `str`"),
        ("compatibility.torch_version", ..., "$.compatibility.torch_version: missing"),
        ("compatibility.torch_version", "2.x", "$.compatibility.torch_version: '2.x' is not a version specifier"),
        ("compatibility.transformers_version", ">=", "$.compatibility.transformers_version: '>=' is not a"),
        ("compatibility.python_version", "three", "$.compatibility.python_version: 'three' is not a"),
        ("compatibility.min_memory_gb", -1, "$.compatibility.min_memory_gb: Expected `float` >= 0"),
        ("host_api", "newest", "$.host_api: 'newest' is not a version specifier"),
        ("dependencies", ["torch", "not a requirement!"], "$.dependencies[1]: 'not a requirement!' is not a"),
        ("entry_point", "x.y:z", "$.entry_point: Expected `object`, got `str`"),
        ("entry_point.class", ..., "$.entry_point.class: missing"),
        ("entry_point.module", "..evil", "$.entry_point.module: Expected `str` matching regex"),
        ("entry_point.module", "./../plugin", "$.entry_point.module: Expected `str` matching regex"),
        ("schema_version", 0, "$.schema_version: Expected `int` >= 1"),
        ("weights", [{"id": "a"}], "$.weights[0].source: missing"),
        ("weights", [{"id": "a", "source": ""}], "$.weights[0].source: empty"),
        ("weights", [{"id": "a", "source": []}], "$.weights[0].source: empty"),
        ("weights", [{"id": "a", "source": "x", "sha256": "abc"}], "$.weights[0].sha256: Expected `str` matching"),
        ("weights", [{"id": "a", "source": "x", "size_bytes": 0}], "$.weights[0].size_bytes: Expected `int` >= 1"),
        ("weights", [{"id": "a", "source": "x", "format": "pickle"}], "$.weights[0].format: Invalid enum value"),
        ("weights", [{"id": "a", "source": "x"}] * 2, "$.weights[1].id: 'a' is the id of $.weights[0] too"),
        (
            "weights",
            [{"id": "a", "source": "x", "default": True}, {"id": "b", "source": "x", "default": True}],
            "$.weights[1].default: $.weights[0] is the default already",
        ),
    ],
)
def test_a_fault_is_named_with_its_json_path(seed_manifest: str, path: str, value: Any, fault: str) -> None:
    text = json.dumps(at(json.loads(seed_manifest), path, value))
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, plugin="qwen3", dist="inference-pio-qwen3 0.2.0")
    assert fault in str(caught.value)
    assert "plugin 'qwen3' (inference-pio-qwen3 0.2.0)" in str(caught.value)


def test_all_broken_rules_are_named_at_once(seed_manifest: str) -> None:
    data = at(json.loads(seed_manifest), "compatibility.torch_version", "new")
    assert len(check_manifest(json.dumps(at(data, "dependencies", ["?"]))).faults) == 2


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", b"\xff\xfe{\x00}\x00", "\ufeff{}", '{"name": NaN}', '{"name": "\ud800"}'],
)
def test_what_is_no_json_object_is_a_manifest_error(text: str | bytes) -> None:
    with pytest.raises(ManifestError, match=r"\$"):
        parse_manifest(text)


@pytest.mark.parametrize("value", ["[" * 50_000 + "]" * 50_000, "9" * 5000, '"\udcff"', '{"a": 1, "a": 2}'])
def test_hostile_values_of_unknown_keys_raise_nothing_else(seed_manifest: str, value: str) -> None:
    text = seed_manifest.rstrip().removesuffix("}") + f', "extra": {value}}}'
    check_manifest(text)
    check_manifest(text.encode("utf-8", "surrogateescape"))


def test_a_key_that_stands_twice_is_an_error(seed_manifest: str) -> None:
    text = seed_manifest.replace('"class": "ModelName_Plugin",', '"class": "Good",\n"class": "Evil",')
    with pytest.raises(ManifestError, match=r"\$\.entry_point\.class: stands twice"):
        parse_manifest(text)


def test_unknown_keys_warn_with_their_path(seed_manifest: str, caplog: pytest.LogCaptureFixture) -> None:
    data = json.loads(seed_manifest)
    data["colour"] = "red"
    data["compatibility"]["cuda"] = ">=12"
    data["weights"] = [{"id": "a", "source": "x", "mirror": "y"}]
    with caplog.at_level(logging.WARNING):
        assert parse_manifest(json.dumps(data), plugin="qwen3").name == "ModelName"
    said = " ".join(caplog.messages)
    assert all(path in said for path in ("$.colour", "$.compatibility.cuda", "$.weights[0].mirror"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_either_a_manifest_or_a_manifest_error(text: str | bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(text)


@given(key=st.sampled_from([*Manifest.__struct_fields__, "extra"]), value=json_values)
def test_any_value_in_any_field_is_either_a_manifest_or_a_fault(key: str, value: Any) -> None:
    data = json.loads(_seed()) | {key: value}
    checked = check_manifest(json.dumps(data))
    assert (checked.manifest is None) == bool(checked.faults)


def _seed() -> str:
    # Not the fixture: hypothesis wants no function-scoped ones.
    return json.dumps(
        {
            **dict.fromkeys(
                ("name", "version", "author", "description", "plugin_type", "model_architecture", "model_size",
                 "license", "model_family"), "x",
            ),
            "dependencies": [], "supported_modalities": [], "tags": [],
            "compatibility": {
                "torch_version": "", "transformers_version": "", "python_version": "", "min_memory_gb": 0,
            },
            "required_memory_gb": 0,
            "num_parameters": 0,
            "entry_point": {"module": ".plugin", "class": "P", "factory_function": "f"},
        }
    )  # fmt: skip


def test_the_schema_asks_for_the_same_keys(seed_manifest: str) -> None:
    schema = manifest_schema()
    manifest = schema["$defs"]["Manifest"]
    assert set(manifest["required"]) == set(json.loads(seed_manifest))
    assert set(manifest["properties"]) == set(json.loads(seed_manifest)) | OPTIONAL
    assert "class" in schema["$defs"]["EntryPoint"]["required"]
