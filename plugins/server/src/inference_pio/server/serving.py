"""``serve``: what the command of that name does, without the command line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference_pio.errors import InferencePioError

from .api_errors import ApiError
from .app import create_app
from .endpoints import ENDPOINTS
from .lifecycle import Lifecycle
from .model_pool import ModelPool, Offer
from .page import page_routes
from .running import Server

if TYPE_CHECKING:
    from .options import ServerOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be served.

    Attributes:
        offers: The models.
        preload: Names of those that are loaded before the server says that it is ready.
        options: Limits and keys.
        idle_unload_s: As in ``ModelPool``.
        shutdown_timeout_s: As in ``Server``.
    """

    offers: Sequence[Offer]
    preload: Sequence[str]
    options: ServerOptions
    idle_unload_s: float | None
    shutdown_timeout_s: float


def serve(plan: Plan, sock: socket.socket, ready: Callable[[ModelPool], None]) -> None:
    """Serve until a signal.

    Args:
        plan: What.
        sock: Where; closed at the end.
        ready: Called once with the models, when all that is to be loaded at the start is loaded.

    Raises:
        InferencePioError: A model that was to be loaded at the start could not be.
    """
    asyncio.run(_serve(plan, sock, ready))


async def _serve(plan: Plan, sock: socket.socket, ready: Callable[[ModelPool], None]) -> None:
    pool = ModelPool(plan.offers, idle_unload_s=plan.idle_unload_s)
    lifecycle = Lifecycle(is_ready=False)
    app = create_app(ENDPOINTS, pool, plan.options, lifecycle=lifecycle, page=page_routes())
    server = Server(app, plan.options, lifecycle, shutdown_timeout_s=plan.shutdown_timeout_s)
    running = asyncio.ensure_future(server.run_on(sock))
    loading = asyncio.ensure_future(_load(pool, plan.preload))
    try:
        await asyncio.wait({running, loading}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            loading.result()
            lifecycle.is_ready = True
            ready(pool)
            tell_systemd("READY=1")
        await running
    finally:
        loading.cancel()
        if not running.done():
            server.stop()
            server.stop()
        await asyncio.gather(running, loading, return_exceptions=True)
        await pool.close()


async def _load(pool: ModelPool, names: Sequence[str]) -> None:
    for name in names:
        try:
            async with pool.use(name):
                pass
        except ApiError as error:
            # Clients are not told what is wrong with a model; whoever starts the server is.
            raise pool.find(name).error or InferencePioError(error.message) from error


def tell_systemd(state: str) -> None:
    """Tell systemd how the service is, where it asked to be told (``sd_notify(3)``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(state.encode())
