"""Clients that vanish, hang or lie, on real sockets. After each, the next request succeeds."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest

from inference_pio.server.connection import MAX_HEAD_BYTES
from inference_pio.server.endpoint import Answer, Call, Endpoint
from inference_pio.server.options import ServerOptions
from inference_pio.server.served_model import ServedModel

from .conftest import Ask, Said
from .serving import HANGS_S, Gated, Running, request, serving, until

SOON_S = 0.05


class Flood(Endpoint[Ask]):
    """Sends more than anybody reads."""

    path = "/v1/flood"
    request_type = Ask
    response_type = Said

    def __init__(self) -> None:
        self.sent, self.is_closed = 0, False

    async def answer(self, request: Ask, model: ServedModel, call: Call) -> Answer:
        return Answer(events=self._events())

    async def _events(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.sent += 1
                yield b"data: " + b"x" * 65536 + b"\n\n"
        finally:
            self.is_closed = True


async def works(running: Running, model: Gated) -> None:
    """Check that the next request succeeds and nothing runs on."""
    model.gate.set()
    status, content = await running.ask()
    assert (status, json.loads(content)["text"]) == (200, "Hello there.")
    assert running.pool.places["fake"].users == 0


@pytest.mark.parametrize("stream", [False, True])
def test_the_computation_stops_when_the_client_goes(stream: bool) -> None:
    async def run() -> None:
        model = Gated(free_steps=2)
        async with serving(model) as running:
            reader, writer = await running.connect()
            writer.write(request(stream=stream))
            if stream:
                await reader.readuntil(b"data: ")
            await until(lambda: model.steps > 2)
            writer.close()
            await until(lambda: model.generations[0].is_cancelled)
            await until(lambda: not running.pool.places["fake"].users)
            await works(running, model)

    asyncio.run(run())


def test_the_computation_stops_when_a_client_goes_that_had_sent_more_requests_behind() -> None:
    async def run() -> None:
        model = Gated()
        async with serving(model) as running:
            _, writer = await running.connect()
            writer.write(request().replace(b"connection: close\r\n", b"") * 2)
            await until(lambda: model.steps)
            writer.close()
            await until(lambda: model.generations[0].is_cancelled)
            await until(lambda: not running.pool.places["fake"].users)
            assert len(model.generations) == 1
            await works(running, model)

    asyncio.run(run())


def test_a_client_that_sends_request_after_request_without_reading_is_dropped() -> None:
    async def run() -> None:
        model = Gated()
        async with serving(model) as running:
            reader, writer = await running.connect()
            writer.write(request().replace(b"connection: close\r\n", b"") * 20)
            assert await asyncio.wait_for(_rest(reader), HANGS_S) == b""
            await works(running, model)

    asyncio.run(run())


def test_requests_of_one_connection_are_answered_in_turn() -> None:
    async def run() -> None:
        model = Gated()
        model.gate.set()
        async with serving(model) as running:
            reader, writer = await running.connect()
            kept = request().replace(b"connection: close\r\n", b"")
            writer.write(kept + kept + request())
            answers = await reader.read()
            assert answers.count(b"HTTP/1.1 200") == 3
            writer.close()

    asyncio.run(run())


def test_a_client_that_does_not_read_is_dropped_and_little_is_kept_for_it() -> None:
    async def run() -> None:
        model, flood = Gated(), Flood()
        async with serving(model, ServerOptions(write_timeout_s=SOON_S), endpoints=[flood]) as running:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", running.port))
            await asyncio.get_running_loop().sock_sendall(sock, request().replace(b"/v1/say", b"/v1/flood"))
            await until(lambda: flood.is_closed)
            assert 0 < flood.sent < 1000  # the system's own buffers take some
            sock.close()
            await works(running, model)

    asyncio.run(run())


def test_a_client_that_reads_slowly_gets_everything() -> None:
    async def run() -> None:
        model = Gated()
        model.gate.set()
        model.answer = "word " * 3_000
        async with serving(model, ServerOptions(write_timeout_s=HANGS_S)) as running:
            reader, writer = await running.connect(limit=1024)
            writer.write(request(stream=True))
            received = b""
            while piece := await reader.read(4096):
                received += piece
                await asyncio.sleep(0)
            assert received.count(b"data: ") == len(model.answer) + 1  # the last one is empty
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"POST /v1/sa", b"POST /v1/say HTTP/1.1\r\nhost: loc"])
def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async def run() -> None:
        model = Gated()
        async with serving(model, ServerOptions(head_timeout_s=SOON_S)) as running:
            reader, writer = await running.connect()
            writer.write(sent)
            assert await asyncio.wait_for(_rest(reader), HANGS_S) == b""
            await works(running, model)
            writer.close()

    asyncio.run(run())


def test_a_head_without_end_ends_the_connection() -> None:
    async def run() -> None:
        model = Gated()
        async with serving(model) as running:
            reader, writer = await running.connect()
            writer.write(b"GET / HTTP/1.1\r\nx: ")
            writer.write(b"x" * (2 * MAX_HEAD_BYTES))
            assert await asyncio.wait_for(_rest(reader), HANGS_S) == b""
            await works(running, model)
            writer.close()

    asyncio.run(run())


def test_a_body_that_is_shorter_than_it_says_starts_nothing() -> None:
    async def run() -> None:
        model = Gated()
        async with serving(model) as running:
            _, writer = await running.connect()
            writer.write(request()[:-5])
            await until(lambda: running.server.server_state.tasks)
            writer.close()
            await until(lambda: not running.server.server_state.tasks)
            assert model.started == []
            await works(running, model)

    asyncio.run(run())


def test_a_body_that_is_longer_than_it_says_is_cut_there() -> None:
    async def run() -> None:
        model = Gated()
        model.gate.set()
        async with serving(model) as running:
            reader, writer = await running.connect()
            writer.write(request() + b"nonsense that is no request\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            await works(running, model)

    asyncio.run(run())


def test_a_giant_body_is_refused_before_it_has_come() -> None:
    async def run() -> None:
        model = Gated()
        async with serving(model, ServerOptions(max_body_bytes=1000)) as running:
            reader, writer = await running.connect()
            head = b"POST /v1/say HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            writer.write(head + b"transfer-encoding: chunked\r\n\r\n" + b"3e8\r\n" + b" " * 1000 + b"\r\n1\r\n ")
            assert (await reader.readline()).startswith(b"HTTP/1.1 413")
            writer.close()
            reader, writer = await running.connect()
            writer.write(head + b"content-length: 999999999999999999999999\r\n\r\n")
            assert (await reader.readline()).split()[1] in (b"413", b"400")
            writer.close()
            await works(running, model)

    asyncio.run(run())


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
