"""``Server``: runs the application until it is told to stop, and then finishes or cancels what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from .connection import connection_class

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from .lifecycle import Lifecycle
    from .options import ServerOptions

logger = logging.getLogger(__name__)

GRACE_S = 2.0
"""What cancelled requests have to tell their clients so, seconds; then the connections are cut."""


class Server(uvicorn.Server):
    """One application on one socket.

    SIGTERM and SIGINT stop it: it accepts no more, and what is under way may end. A second one cancels that at once.

    Args:
        app: What answers.
        options: Limits.
        lifecycle: Told when it stops.
        shutdown_timeout_s: How long requests may take to end once it stops, seconds; then they are cancelled.
    """

    def __init__(
        self, app: FastAPI, options: ServerOptions, lifecycle: Lifecycle, *, shutdown_timeout_s: float = 30.0
    ) -> None:
        config = uvicorn.Config(
            app,
            http=connection_class(options),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._lifecycle, self._shutdown_timeout_s = lifecycle, shutdown_timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run_on(self, sock: socket.socket) -> None:
        """Serve until ``stop``; returns when all requests have ended and all connections are closed."""
        self._loop = asyncio.get_running_loop()
        await self.serve([sock])
        tasks = list(self.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)

    def stop(self) -> None:
        """Stop; the second call cancels. Belongs to the thread of the event loop."""
        assert self._loop is not None, "only what runs can be stopped"
        if self.should_exit:
            self._cancel()
            return
        self.should_exit = self._lifecycle.is_stopping = True
        logger.info("stopping; requests under way: %d", len(self.server_state.tasks))
        self._loop.call_later(self._shutdown_timeout_s, self._cancel)

    def _cancel(self) -> None:
        tasks = list(self.server_state.tasks)
        if tasks:
            logger.warning("cancelling what is under way: %d", len(tasks))
        for task in tasks:
            task.cancel()
        assert self._loop is not None, "as in stop"
        self._loop.call_later(GRACE_S, self._cut)

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            transport: Any = connection.transport
            transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on signals meanwhile; unlike uvicorn's own, without raising them again: a stop is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        assert self._loop is not None, "signals are captured while it runs"
        self._loop.call_soon_threadsafe(self.stop)
