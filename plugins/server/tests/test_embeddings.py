"""``/v1/embeddings``: vectors of texts and token ids, as numbers or base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from openai.types import CreateEmbeddingResponse

from inference_pio.server.api_errors import ApiError
from inference_pio.server.embeddings import Embeddings

from .asking import ask, refusal
from .fake_model import FakeModel

ENDPOINT = Embeddings()


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("ab", [[97, 98]]),
        (["ab", "c"], [[97, 98], [99]]),
        ([97, 98], [[97, 98]]),
        ([[97, 98], [99]], [[97, 98], [99]]),
    ],
)
def test_each_text_gets_the_vector_of_its_tokens_in_order(model: FakeModel, given: Any, ids: list[list[int]]) -> None:
    seen = []
    embed = model.embed

    async def noted(inputs: Any) -> Any:
        seen.append([list(each) for each in inputs])
        return await embed(inputs)

    model.embed = noted  # type: ignore[method-assign]  # for this test
    body = ask(ENDPOINT, model, input=given)
    assert seen == [ids]
    read = CreateEmbeddingResponse.model_validate(body, strict=True)
    assert [each.index for each in read.data] == list(range(len(ids)))
    assert all(len(each.embedding) == 3 for each in read.data)
    assert (read.usage.prompt_tokens, read.usage.total_tokens) == (sum(map(len, ids)),) * 2
    assert read.model == "fake"


def test_base64_is_the_same_numbers_as_little_endian_float32(model: FakeModel) -> None:
    numbers = ask(ENDPOINT, model, input=["ab", "c"])["data"]
    packed = ask(ENDPOINT, model, input=["ab", "c"], encoding_format="base64")["data"]
    for plain, each in zip(numbers, packed, strict=True):
        read = np.frombuffer(base64.b64decode(each["embedding"], validate=True), "<f4")
        np.testing.assert_array_equal(read, np.array(plain["embedding"], np.float32))


def test_null_is_the_same_as_nothing(model: FakeModel) -> None:
    given = {"encoding_format": None, "dimensions": None, "user": None}
    assert ask(ENDPOINT, model, input="a", **given) == ask(ENDPOINT, model, input="a")


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "input", "missing"),
        ({"input": []}, "input", "empty list"),
        ({"input": ""}, "input", "no tokens"),
        ({"input": ["a", ""]}, "input[1]", "no tokens"),
        ({"input": ["a", 1]}, "input[1]", "token id"),
        ({"input": [[97], [-1]]}, "input[1][0]", "from 0 to 256"),
        ({"input": ["a", "b" * 1001]}, "input[1]", "1001 tokens; fake takes 1000"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format", "int8"),
        ({"input": "a", "dimensions": 2}, "dimensions", "3 numbers"),
        ({"input": "a", "prompt": "b"}, "prompt", "not supported"),
    ],
)
def test_what_cannot_be_is_refused_by_name(model: FakeModel, body: dict[str, Any], param: str, words: str) -> None:
    error = refusal(ENDPOINT, model, **body)
    assert (error.param, words in error.message) == (param, True), error.message


def test_the_width_that_there_is_may_be_asked_for(model: FakeModel) -> None:
    assert len(ask(ENDPOINT, model, input="a", dimensions=3)["data"][0]["embedding"]) == 3


def test_a_model_that_only_writes_says_which_capability_it_lacks() -> None:
    error = refusal(ENDPOINT, FakeModel(can_embed=False), input="a")
    assert (error.param, error.code) == ("model", "capability_missing")
    assert "'embeddings'" in error.message


def test_a_vector_that_json_cannot_hold_is_an_error_of_the_server(model: FakeModel) -> None:
    async def broken(inputs: Any) -> Any:
        return np.full((len(inputs), 3), np.nan, np.float32)

    model.embed = broken  # type: ignore[method-assign]  # for this test
    with pytest.raises(ApiError) as caught:
        ask(ENDPOINT, model, input="a")
    assert caught.value.status == 500
