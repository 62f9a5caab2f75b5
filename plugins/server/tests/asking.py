"""Asks an endpoint as a client would, without HTTP: a body goes in, an answer or events come out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from inference_pio.server.api_errors import ApiError, as_api_error
from inference_pio.server.decoding import decode_body
from inference_pio.server.endpoint import Answer, Call, Endpoint

from .fake_model import FakeModel

CALL = Call("req-1", caller="alice")


async def answer_of(endpoint: Endpoint[Any], model: FakeModel, **body: Any) -> Answer:
    data = json.dumps({"model": model.name, **body}).encode()
    return await endpoint.answer(decode_body(data, endpoint.request_type), model, CALL)


def ask(endpoint: Endpoint[Any], model: FakeModel, **body: Any) -> Any:
    """Return the answer to a request, as JSON."""
    answer = asyncio.run(answer_of(endpoint, model, **body))
    return json.loads(msgspec.json.encode(answer.body))


def ask_stream(endpoint: Endpoint[Any], model: FakeModel, **body: Any) -> list[bytes]:
    """Return the events that a request gets."""

    async def read() -> list[bytes]:
        answer = await answer_of(endpoint, model, stream=True, **body)
        assert answer.events is not None
        return [event async for event in answer.events]

    return asyncio.run(read())


def data_of(event: bytes) -> Any:
    """Return what an event holds."""
    assert event.endswith(b"\n\n")
    return json.loads(event.partition(b"data: ")[2])


def refusal(endpoint: Endpoint[Any], model: FakeModel, **body: Any) -> ApiError:
    """Return the error that a request gets, of status 400."""
    with pytest.raises(Exception) as caught:
        ask(endpoint, model, **body)
    error = as_api_error(caught.value)
    assert error.status == 400, caught.value
    return error
