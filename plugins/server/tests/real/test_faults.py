"""What hostile and unlucky clients do to a running server; after each the next request must be answered."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

pytestmark = pytest.mark.weights

HANGS_S = 120
CHAT = "/v1/chat/completions"
LONG: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Count to a thousand."}],
    "max_completion_tokens": 2000,
}


def post(url: str, path: str, content: bytes | None = None, **body: Any) -> httpx.Response:
    data = json.dumps({"model": "smollm2", **body}).encode() if content is None else content
    return httpx.post(url + path, content=data, headers={"content-type": "application/json"}, timeout=HANGS_S)


def chat(url: str, **body: Any) -> httpx.Response:
    short = {"messages": [{"role": "user", "content": "Hello."}], "max_completion_tokens": 4}
    return post(url, CHAT, **{**short, **body})


def connected(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=HANGS_S)


@contextlib.contextmanager
def raw(url: str, **body: Any) -> Iterator[socket.socket]:
    """Send a request without reading what comes."""
    data = json.dumps({"model": "smollm2", **body}).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    )
    with connected(url) as sock:
        sock.sendall(head.encode() + b"\r\n" + data)
        yield sock


def running(url: str) -> float:
    """Return how many requests the model computes or keeps waiting."""
    lines = httpx.get(f"{url}/metrics", timeout=HANGS_S).text.splitlines()
    names = ("inference_pio_requests_running{", "inference_pio_requests_waiting{")
    found = [line for line in lines if line.startswith(names)]
    assert found, lines
    return sum(float(line.rpartition(" ")[2]) for line in found)


def wait_until_idle(url: str) -> None:
    deadline = time.monotonic() + HANGS_S
    while running(url):
        assert time.monotonic() < deadline, "what nobody waits for is still computed"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _alive(url: str) -> Iterator[None]:
    """After every fault the next request is answered, and nothing is left behind."""
    yield
    assert chat(url).status_code == 200
    wait_until_idle(url)


def test_clients_vanish_in_the_middle_of_their_streams(url: str) -> None:
    with contextlib.ExitStack() as clients:
        socks = [clients.enter_context(raw(url, **LONG, stream=True)) for _ in range(8)]
        for sock in socks:
            assert sock.recv(100)
    wait_until_idle(url)


def test_clients_vanish_before_their_answers(url: str) -> None:
    with contextlib.ExitStack() as clients:
        for _ in range(8):
            clients.enter_context(raw(url, **LONG))
    wait_until_idle(url)


def test_half_a_request_holds_nobody_up(url: str) -> None:
    with connected(url) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        assert chat(url).status_code == 200


def test_a_client_that_does_not_read_holds_nobody_up(url: str) -> None:
    with raw(url, **LONG, stream=True):
        assert chat(url).status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": NaN}', b"[" * 100_000, b'{"model":' * 50_000, b'"' * 10],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/responses", "/v1/embeddings", "/tokenize"])
def test_what_is_no_request_is_refused(url: str, path: str, content: bytes) -> None:
    assert post(url, path, content).status_code == 400


def test_a_giant_body_is_refused(url: str) -> None:
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # it may be cut off before the answer is read
        assert post(url, CHAT, b'{"model": "' + b"x" * 40_000_000).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        {"n": 10**9},
        {"n": 10**30},
        {"n": -1},
        {"n": "2"},
        {"max_completion_tokens": -1},
        {"temperature": 1e300},
        {"temperature": "hot"},
        {"seed": 10**40},
        {"top_logprobs": 10**9, "logprobs": True},
        {"logit_bias": {"99999999": 1}},
        {"logit_bias": {"-1": 1}},
        {"stop": ["x"] * 100_000},
        {"messages": 7},
        {"messages": []},
        {"messages": [{"role": "king", "content": "Hello."}]},
        {"messages": [{"role": "user", "content": "word " * 200_000}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#/nowhere"}}}},
        {"response_format": {"type": "regex", "regex": "("}},
        {"model": "../../etc/passwd"},
    ],
    ids=lambda body: json.dumps(body)[:50],
)
def test_what_cannot_be_is_refused_at_once(url: str, body: dict[str, Any]) -> None:
    answer = chat(url, **body)
    assert answer.status_code in (400, 404), answer.text[:500]
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": [10**9]},
        {"prompt": [-1]},
        {"prompt": [49152]},
        {"prompt": [2**70]},
        {"prompt": [1.5]},
        {"prompt": []},
    ],
    ids=str,
)
def test_tokens_outside_the_vocabulary_are_refused(url: str, body: dict[str, Any]) -> None:
    assert post(url, "/v1/completions", max_tokens=2, **body).status_code == 400


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


RECURSIVE = {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}
HOSTILE_SCHEMAS = [
    nested(60),
    RECURSIVE,
    {"type": "array", "minItems": 10**9},
    {"type": "string", "pattern": "(a{1,1000}){1,1000}"},
    {"type": "string", "minLength": 10**12},
    {"enum": [f"{number}" for number in range(20_000)]},
    {"allOf": [{"type": "string"}, {"type": "integer"}]},
]
HOSTILE_EXPRESSIONS = [
    "(a+)+$",
    "((a{0,500}){0,500}){0,500}",
    "(?=a)b",
    r"(a)\1",
    ".*" * 2000,
    "[\\d-\\x]",
    "a" * 100_000,
]


@pytest.mark.parametrize("schema", HOSTILE_SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_a_hostile_schema_is_refused_or_obeyed(url: str, schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = chat(url, response_format=form)
    assert answer.status_code in (200, 400), answer.text[:500]


@pytest.mark.parametrize("expression", HOSTILE_EXPRESSIONS, ids=lambda expression: expression[:30])
def test_a_hostile_expression_is_refused_or_obeyed(url: str, expression: str) -> None:
    answer = chat(url, response_format={"type": "regex", "regex": expression})
    assert answer.status_code in (200, 400), answer.text[:500]


def test_a_budget_beyond_the_context_is_the_context(url: str) -> None:
    assert chat(url, max_completion_tokens=10**30).status_code == 200
