"""The OpenAPI document is one, and what it says is true."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from inference_pio.server.app import create_app
from inference_pio.server.endpoints import ENDPOINTS
from inference_pio.server.openapi import build_document
from inference_pio.server.options import ServerOptions

from ..fake_model import FakeModel
from .conftest import Say, pool_of
from .test_access import KEYS

DOCUMENT = build_document(ENDPOINTS, version="1", has_keys=False)
MESSAGES = [{"role": "user", "content": "hi"}]


def answers(*requests: tuple[str, str, Any]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(ENDPOINTS, pool_of(FakeModel())))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(method, path, json=body) for method, path, body in requests]

    return asyncio.run(run())


def schema_of(path: str, method: str, response: httpx.Response) -> Any:
    kind = response.headers["content-type"].partition(";")[0]
    described = DOCUMENT["paths"][path][method.lower()]["responses"][str(response.status_code)]
    return {**described["content"][kind]["schema"], "components": DOCUMENT["components"]}


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)
    validate(build_document([Say()], version="1", has_keys=True))


def test_the_document_has_every_route_of_the_server_and_no_other() -> None:
    app = create_app(ENDPOINTS, pool_of(FakeModel()))
    routes = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert routes == described


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health", None),
        ("GET", "/health/live", None),
        ("GET", "/openapi.json", None),
        ("GET", "/v1/models", None),
        ("POST", "/v1/chat/completions", {"model": "fake", "messages": MESSAGES}),
        ("POST", "/v1/chat/completions", {"model": "fake", "messages": MESSAGES, "n": 2, "logprobs": True}),
        ("POST", "/v1/chat/completions", {"model": "nobody", "messages": MESSAGES}),
        ("POST", "/v1/chat/completions", {"model": "fake", "messages": []}),
        ("POST", "/v1/completions", {"model": "fake", "prompt": "hi", "echo": True, "logprobs": 2}),
        ("POST", "/v1/embeddings", {"model": "fake", "input": ["hi", "you"]}),
        ("POST", "/tokenize", {"model": "fake", "text": "hi"}),
        ("POST", "/tokenize", {"model": "fake"}),
    ],
)
def test_answers_are_what_the_document_says(method: str, path: str, body: Any) -> None:
    (response,) = answers((method, path, body))
    jsonschema.validate(response.json(), schema_of(path, method, response))


def test_events_are_what_the_document_says() -> None:
    (response,) = answers(("POST", "/v1/chat/completions", {"model": "fake", "messages": MESSAGES, "stream": True}))
    content = DOCUMENT["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    (kind,) = content["text/event-stream"]["x-events"]
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    for line in lines:
        jsonschema.validate(json.loads(line), {**kind, "components": DOCUMENT["components"]})


def test_keys_are_asked_for_where_the_document_says_so() -> None:
    document = build_document(ENDPOINTS, version="1", has_keys=True)
    assert document["security"] == [{"key": []}]
    open_paths = {path for path, item in document["paths"].items() for op in item.values() if op.get("security") == []}

    async def run() -> set[str]:
        app = create_app(ENDPOINTS, pool_of(FakeModel()), ServerOptions(keys=KEYS))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            paths = [re.sub(r"\{.*?\}", "x", path) for path in document["paths"]]
            return {path for path in paths if (await client.get(path)).status_code != 401}

    assert asyncio.run(run()) == open_paths
