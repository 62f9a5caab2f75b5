"""Server-sent events of the protocol: ``data: {…}``, an empty line, and ``data: [DONE]`` at the end.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec

from .api_errors import as_api_error
from .generations import Generations

DONE = b"data: [DONE]\n\n"


def encode_event(body: Any, name: str | None = None) -> bytes:
    """Return one event.

    Args:
        body: What it holds; JSON has no raw line breaks, so one line is enough.
        name: Its kind, for protocols that name their events.
    """
    data = b"data: " + msgspec.json.encode(body) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


class EventStream(AsyncIterator[bytes]):
    """The events of an answer. Closing it, or reading it to its end, leaves no computation behind.

    A class and not a generator: a generator that nobody has begun to read does nothing when it is closed, and the
    client may be gone by then.

    Args:
        generations: What computes.
        events: Encoded events made of it, without an end. What it raises is told as an event, and ends the stream.
        done: The event after the last one, where the protocol has one.
    """

    def __init__(self, generations: Generations, events: AsyncGenerator[bytes, None], done: bytes = DONE) -> None:
        self._generations = generations
        self._source = events
        self._events = self._told(events, done)

    async def __anext__(self) -> bytes:
        return await self._events.__anext__()

    async def aclose(self) -> None:
        """Stop the computation; nothing comes any more. Safe to call twice."""
        self._generations.cancel()
        await self._events.aclose()
        await self._source.aclose()

    async def _told(self, events: AsyncGenerator[bytes, None], done: bytes) -> AsyncGenerator[bytes, None]:
        try:
            async for event in events:
                yield event
        except Exception as error:  # noqa: BLE001 - the answer has begun, so it can only be told here
            yield encode_event(as_api_error(error).body())
        else:
            if done:
                yield done
        finally:
            self._generations.cancel()
            await events.aclose()
