"""Whatever a body holds: a request, or a 400 that names what is wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.server.api_errors import ApiError
from inference_pio.server.decoding import decode_body
from inference_pio.server.endpoint import RequestBody
from inference_pio.server.sampling_fields import ChoiceFields


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    text: str


class Body(ChoiceFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    parts: list[Part] | str | None = None
    schema: dict[str, Any] | None = None


def refused(body: bytes, kind: type[RequestBody] = Body) -> ApiError:
    with pytest.raises(ApiError) as caught:
        decode_body(body, kind)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ('"n": 1e999', "n", "out of range"),
        ('"n": 1000000000', "n", "<= 128"),
        ('"n": 0', "n", ">= 1"),
        ('"n": "2"', "n", "got `str`"),
        ('"n": 1.5', "n", "got `float`"),
        ('"n": true', "n", "got `bool`"),
        ('"n": ' + "1" * 5000, "n", "out of range"),
        ('"temperature": 2.1', "temperature", "<= 2"),
        ('"temperature": -0.1', "temperature", ">= 0"),
        ('"temperature": 1e999', "temperature", "out of range"),
        ('"temperature": ' + "1" * 400, "temperature", "out of range"),
        ('"temperature": "hot"', "temperature", "got `str`"),
        ('"top_p": 0', "top_p", "> 0"),
        ('"repetition_penalty": 5e-324', "repetition_penalty", ">= 0.01"),
        ('"seed": 9223372036854775808', "seed", "<= 9223372036854775807"),
        ('"seed": 1.0', "seed", "got `float`"),
        ('"stop": ""', "stop", "length >= 1"),
        ('"stop": ["a", ""]', "stop[1]", "length >= 1"),
        ('"stop": [' + ",".join(['"a"'] * 17) + "]", "stop", "length <= 16"),
        ('"stop": 5', "stop", "got `int`"),
        ('"logit_bias": {"5": 101}', "logit_bias", "<= 100"),
        ('"logit_bias": {"five": 1}', "logit_bias", "a key is wrong"),
        ('"logit_bias": {"-5": 1}', "logit_bias", "a key is wrong"),
        ('"logit_bias": {"5": null}', "logit_bias", "got `null`"),
        ('"logit_bias": [1]', "logit_bias", "got `array`"),
        ('"stream": "yes"', "stream", "got `str`"),
        ('"stream_options": {"include_usages": true}', "stream_options.include_usages", "include_usage"),
        ('"temprature": 1', "temprature", "the nearest that is: temperature"),
        ('"audio": null', "audio", "text only"),
        ('"parts": [{"type": "image_url", "image_url": 5}]', "parts[0].type", "text only"),
        ('"parts": [{"type": "text"}]', "parts[0].text", "is missing"),
        ('"parts": [{"type": "text", "text": "a", "txet": "a"}]', "parts[0].txet", "the nearest that is: text"),
        ('"parts": [{"type": "text", "text": null}]', "parts[0].text", "got `null`"),
        ('"parts": [[]]', "parts[0]", "got `array`"),
        ('"schema": {"a": 1e999}', "schema", "out of range"),
        ('"model": null', "model", "got `null`"),
    ],
)
def test_a_wrong_field_is_named(fields: str, param: str, words: str) -> None:
    error = refused(b'{"model": "m", %b}' % fields.encode())
    assert error.param == param
    assert words in error.message
    assert error.message.startswith(param)
    assert len(error.message) < 300


def test_a_missing_field_is_named() -> None:
    error = refused(b"{}")
    assert (error.param, error.message) == ("model", "model is missing")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"1", "must be a JSON object"),
        (b'{"model": "m"} x', "not JSON"),
        (b'{"model": "m", "n": NaN}', "not JSON"),
        (b'{"model": "m", "n": Infinity}', "not JSON"),
        (b'{"model": "\\ud800"}', "not JSON"),
        (b'{"model": "\\udc00\\ud800"}', "not JSON"),
        (b'{"model": "a\x00"}', "not JSON"),
        (b'{"model": "\xff"}', "not UTF-8"),
        (b'{"model": "m", "schema": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "nested too deeply"),
        (b'{"model": "m", "schema": {"a": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_request_at_all_is_refused_without_a_field(body: bytes, words: str) -> None:
    error = refused(body)
    assert error.param is None
    assert words in error.message


def test_null_is_the_same_as_nothing() -> None:
    names = [name for name in Body.__struct_fields__ if name != "model"]
    body = msgspec.json.encode({"model": "m", **dict.fromkeys(names)})
    assert decode_body(body, Body) == Body(model="m")


def test_of_two_fields_of_a_name_the_last_counts() -> None:
    assert decode_body(b'{"model": "m", "n": 2, "n": 3}', Body).n == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*Body.__struct_fields__, "other"]), JSON, max_size=4))
def test_any_json_is_a_request_or_names_a_field(fields: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", **fields}, ensure_ascii=False).encode()
    error: ApiError | None = None
    try:
        decode_body(body, Body)
    except ApiError as raised:
        error = raised
    if error is not None:
        assert (error.status, re.split(r"[.\[]", error.param or "")[0]) in [(400, name) for name in fields]


ODD = st.lists(
    st.sampled_from(["`", "` - at `$.", "` - at `key` in `$.", "[", "]", "...", ".", "'", "a"]), max_size=6
).map("".join)


@settings(deadline=None)
@given(ODD, ODD)
def test_names_and_values_that_look_like_the_parsers_own_words_confuse_nobody(name: str, value: str) -> None:
    for fields in ({name: 1}, {"parts": [{"type": value}]}, {"parts": [{"type": "text", name: 1}]}, {"n": value}):
        error = refused(json.dumps({"model": "m", **fields}).encode())
        assert error.message


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_a_400(body: bytes) -> None:
    assert refused(body).message
