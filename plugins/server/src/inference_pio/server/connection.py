"""``Connection``: HTTP over one socket, as uvicorn speaks it, with an end to clients that do nothing.

uvicorn bounds neither the time nor the length of a request's head, waits for ever for a client that does not read, and
does not notice that a client has gone which has sent a second request behind the first. This does.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from .options import ServerOptions

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
"""Longest request line and headers together, bytes."""

MAX_PIPELINED = 4
"""Requests that may wait behind the one that is being answered; a client with more is dropped."""

_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
"""The system asks a silent client after 60 s whether it is there, and gives up after another minute."""


class Connection(HttpToolsProtocol):
    """One client.

    Attributes:
        head_timeout_s: How long a request's head may take to arrive, seconds.
        write_timeout_s: How long a client may read nothing of what was sent, seconds.
    """

    head_timeout_s: ClassVar[float] = 30.0
    write_timeout_s: ClassVar[float] = 60.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """See ``asyncio.Protocol``."""
        self._head_bytes, self._is_in_head = 0, True
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._cycles: list[RequestResponseCycle] = []
        super().connection_made(transport)
        _ask_whether_there(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        for cycle in self._cycles:  # uvicorn tells the last one only
            if not cycle.response_complete:
                cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                logger.warning("a client sent a head of more than %d bytes", MAX_HEAD_BYTES)
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_bytes, self._is_in_head = 0, True
        if self._head_timer is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Begin to answer, or put the request behind those that are being answered."""
        self._is_in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete]
        self._cycles.append(self.cycle)
        if len(self._cycles) > MAX_PIPELINED + 1:
            self.transport.abort()
        elif len(self._cycles) > 1:
            self.flow.resume_reading()  # whoever does not read does not see the client go

    def on_response_complete(self) -> None:
        """End a request."""
        super().on_response_complete()
        self._watch_writing()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``: more has been written than the client has read."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``: the client has read."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        self._watch_writing()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.abort)

    def _watch_writing(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left and self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout_s, self._look_at_writing, left)

    def _look_at_writing(self, before: int) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size() >= before and (self.flow.write_paused or self.transport.is_closing()):
            logger.warning("a client has read nothing for %g s", self.write_timeout_s)
            self.transport.abort()
        else:
            self._watch_writing()


def connection_class(options: ServerOptions) -> type[Connection]:
    """Return ``Connection`` with the limits of a server."""
    limits: dict[str, Any] = {"write_timeout_s": options.write_timeout_s, "head_timeout_s": options.head_timeout_s}
    return type("Connection", (Connection,), limits)


def _ask_whether_there(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
