"""A server on a real socket, in the event loop of the test: what both do is ordered by events, not by time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference_pio.server.app import create_app
from inference_pio.server.endpoint import Endpoint
from inference_pio.server.lifecycle import Lifecycle
from inference_pio.server.listening import listen
from inference_pio.server.model_pool import ModelPool
from inference_pio.server.options import ServerOptions
from inference_pio.server.running import Server

from ..fake_model import FakeModel
from .conftest import Say, pool_of

HANGS_S = 30
"""A test that takes longer has failed."""


@dataclass
class Gated(FakeModel):
    """Computes nothing before it is let go."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    free_steps: int = 0

    async def step(self) -> None:
        self.steps += 1
        if self.steps > self.free_steps:
            await self.gate.wait()


@dataclass
class Running:
    server: Server
    port: int
    pool: ModelPool
    task: asyncio.Task[None]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        self.writers.append(writer)
        return reader, writer

    async def ask(self, **body: Any) -> tuple[int, str]:
        """Ask on a connection of its own; return status and body."""
        reader, writer = await self.connect()
        writer.write(request(**body))
        answer = await reader.read()
        writer.close()
        head, _, content = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), content


def request(**body: Any) -> bytes:
    content = json.dumps({"model": "fake", **body}).encode()
    head = f"POST /v1/say HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(content)}\r\n"
    return f"{head}content-type: application/json\r\n\r\n".encode() + content


@contextlib.asynccontextmanager
async def serving(
    model: FakeModel,
    options: ServerOptions | None = None,
    *,
    endpoints: Sequence[Endpoint[Any]] = (),
    shutdown_timeout_s: float = HANGS_S,
) -> AsyncIterator[Running]:
    options, lifecycle, pool = options or ServerOptions(), Lifecycle(), pool_of(model)
    server = Server(
        create_app([Say(), *endpoints], pool, options, lifecycle=lifecycle),
        options,
        lifecycle,
        shutdown_timeout_s=shutdown_timeout_s,
    )
    sock = listen("127.0.0.1", 0)
    task = asyncio.create_task(server.run_on(sock))
    await until(lambda: server.started)
    running = Running(server, sock.getsockname()[1], pool, task)
    try:
        yield running
    finally:
        if not task.done():
            server.stop()
            server.stop()
        await asyncio.wait_for(task, HANGS_S)
        for writer in running.writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    """Let others work until something is true."""

    async def look() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(look(), HANGS_S)
