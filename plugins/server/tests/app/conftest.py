"""An endpoint that needs no protocol, and a client in the same process."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import httpx
import msgspec
import pytest

from inference_pio.generation import Chunk, SamplingOptions
from inference_pio.server.app import create_app
from inference_pio.server.endpoint import Answer, Call, Endpoint, RequestBody
from inference_pio.server.model_pool import ModelPool, Offer
from inference_pio.server.options import ServerOptions
from inference_pio.server.served_model import Generation, ServedModel

from ..fake_model import FakeModel

T = TypeVar("T")


class Ask(RequestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: str = "hi"
    stream: bool = False


class Said(msgspec.Struct, frozen=True):
    text: str
    caller: str


class Say(Endpoint[Ask]):
    """Says what the model says."""

    path = "/v1/say"
    request_type = Ask
    response_type = Said
    event_types: ClassVar[tuple[type[msgspec.Struct], ...]] = (Said,)

    async def answer(self, request: Ask, model: ServedModel, call: Call) -> Answer:
        if request.prompt == "divide by zero":
            raise ZeroDivisionError("the secret")
        prompt_ids = await model.tokenize(request.prompt)
        generation = await model.start(prompt_ids, SamplingOptions(), cache_salt=call.caller)
        if request.stream:
            return Answer(events=_events(generation))
        return Answer(body=Said("".join([chunk.text async for chunk in _pieces(generation)]), call.caller))


async def _events(generation: Generation) -> AsyncIterator[bytes]:
    async for chunk in _pieces(generation):
        yield b"data: " + msgspec.json.encode(chunk.text) + b"\n\n"


async def _pieces(generation: Generation) -> AsyncIterator[Chunk]:
    try:
        async for chunk in generation:
            yield chunk
    finally:
        generation.cancel()


def _itself(model: FakeModel) -> FakeModel:
    return model


def pool_of(*models: FakeModel, **options: Any) -> ModelPool:
    return ModelPool(
        [Offer(name=m.name, load=functools.partial(_itself, m), owner="somebody 1.0") for m in models], **options
    )


Talk = Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]


def asked(
    talk: Talk[T],
    *,
    models: ModelPool | None = None,
    options: ServerOptions | None = None,
    base_url: str = "http://localhost",
    **more: Any,
) -> T:
    """Run a conversation with a server in this process."""

    async def run() -> T:
        app = create_app([Say()], models or pool_of(FakeModel()), options, **more)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client:
            return await talk(client)

    return asyncio.run(run())


def said(
    prompt: str = "hi", *, model: str = "fake", headers: dict[str, str] | None = None, **body: Any
) -> Talk[httpx.Response]:
    """Return a conversation of one request."""

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/say", json={"model": model, "prompt": prompt, **body}, headers=headers)

    return talk


@pytest.fixture
def fake() -> FakeModel:
    return FakeModel()
