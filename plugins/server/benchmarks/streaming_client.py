"""A client that costs next to nothing: what arrives is kept with its time and read when the answer is over.

It shares the cores with the server that it measures, so it parses nothing while it waits.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any

# The first event may hold a role and no text.
_TEXT = re.compile(rb'"(?:text|content)": ?"(?!")')


@dataclass(frozen=True)
class Reply:
    """What came of one request.

    Attributes:
        text: The answer.
        error: What went wrong, or nothing.
        prompt_tokens: As the server counts them.
        new_tokens: As the server counts them.
        first_token_s: From the request to the first piece of text, seconds.
        token_s: From one token to the next, the first left out, seconds.
    """

    text: str = ""
    error: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0
    first_token_s: float = 0.0
    token_s: float = 0.0


class _Arrivals(asyncio.Protocol):
    """Keeps all bytes of a connection, and when they came."""

    def __init__(self, request: bytes) -> None:
        self.request, self.data = request, bytearray()
        self.times: list[tuple[int, float]] = []  # bytes that had come, and when
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.times.append((len(self.data), time.perf_counter()))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    def time_of(self, place: int) -> float:
        return next(when for length, when in self.times if length > place)


async def ask(host: str, port: int, path: str, body: dict[str, Any], timeout_s: float = 600.0) -> Reply:
    """Send a request whose answer is streamed, and wait for its end.

    Args:
        host: Of the server.
        port: Of the server.
        path: ``/v1/completions``.
        body: The request; made to stream with usage.
        timeout_s: A server that has not ended its answer by then hangs, seconds.
    """
    data = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
    started = time.perf_counter()
    try:
        loop = asyncio.get_running_loop()
        transport, arrivals = await loop.create_connection(lambda: _Arrivals(request), host, port)
        try:
            if error := await asyncio.wait_for(arrivals.ended, timeout_s):
                raise error
        finally:
            transport.abort()
        return _read(arrivals, started)
    except (OSError, ValueError, LookupError, asyncio.TimeoutError) as error:
        return Reply(error=f"{type(error).__name__}: {error}")


def _read(arrivals: _Arrivals, started: float) -> Reply:
    head, _, rest = bytes(arrivals.data).partition(b"\r\n\r\n")
    status = int(head.split()[1])
    body = _whole(rest) if b"chunked" in head.lower() else rest
    if status != 200:
        return Reply(error=f"status {status}: {body[:200].decode(errors='replace')}")
    text, usage, is_done = "", {"prompt_tokens": 0, "completion_tokens": 0}, False
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = block.removeprefix(b"data: ")
        if not block.startswith(b"data: ") or data == b"[DONE]":
            is_done |= data == b"[DONE]"
            continue
        event = json.loads(data)
        if "error" in event:
            return Reply(error=f"event: {json.dumps(event['error'])[:200]}")
        for choice in event["choices"]:
            text += choice["text"] if "text" in choice else choice["delta"].get("content") or ""
        usage = event.get("usage") or usage
    if not is_done:
        return Reply(error="the answer ended without [DONE]")
    return Reply(text, "", usage["prompt_tokens"], usage["completion_tokens"], *_times(arrivals, started, usage))


def _times(arrivals: _Arrivals, started: float, usage: dict[str, int]) -> tuple[float, float]:
    places = [match.start() for match in _TEXT.finditer(bytes(arrivals.data))]
    if not places:
        return 0.0, 0.0
    first, last = arrivals.time_of(places[0]), arrivals.time_of(places[-1])
    return first - started, (last - first) / max(usage["completion_tokens"] - 1, 1)


def _whole(chunked: bytes) -> bytes:
    """Undo HTTP's chunked encoding.

    Raises:
        ValueError: It is cut off.
    """
    parts: list[bytes] = []
    place = 0
    while True:
        end = chunked.index(b"\r\n", place)
        size = int(chunked[place:end].split(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(chunked[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
