"""``Front``: what every request passes first and every answer last: ids, headers, the log, the last word on errors."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders

from .access_log import log_request
from .api_errors import ApiError, as_api_error
from .body import ClientGoneError
from .endpoint_route import stopping
from .origins import check_host, check_origin
from .request_record import RequestRecord, attach
from .sending import send_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .lifecycle import Lifecycle
    from .metrics import ServerMetrics
    from .options import ServerOptions

logger = logging.getLogger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TURNED_AWAY = frozenset({401, 403, 408, 413, 415, 421, 429, 503, 504})

HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""On every answer that does not say otherwise, as the page does: a browser shows it as it is, and in no frame."""


class Front:
    """ASGI middleware, the outermost one.

    Args:
        app: What answers.
        options: Whose hosts and origins are welcome.
        metrics: Where figures go.
        lifecycle: Whether the server stops.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions, metrics: ServerMetrics, lifecycle: Lifecycle) -> None:
        self._app, self._options, self._metrics, self._lifecycle = app, options, metrics, lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; nothing is raised on purpose."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        record = RequestRecord(_request_id(Headers(scope=scope)), scope["method"], scope["path"])
        if scope["path"] == "/" or scope["path"].startswith("/page/"):
            record.route = "page"
        attach(scope, record)
        reply = _Reply(send, record, self._options)
        self._metrics.began()
        try:
            await self._answer(scope, receive, reply, record)
        finally:
            self._metrics.ended(record)
            log_request(record)

    async def _answer(self, scope: Scope, receive: Receive, reply: _Reply, record: RequestRecord) -> None:
        try:
            headers = Headers(scope=scope)
            check_host(headers, self._options.allowed_hosts)
            check_origin(headers, self._options.cors_origins)
            await self._app(scope, receive, reply)
        except ClientGoneError:
            record.outcome, record.status = "client_gone", record.status or 499
        except asyncio.CancelledError:
            if not self._lifecycle.is_stopping:
                raise
            record.outcome = "shutdown"
            await self._tell(reply, stopping(), record)
        except Exception as error:  # noqa: BLE001 - the client is told that it failed, and the server goes on
            await self._tell(reply, as_api_error(error), record)

    async def _tell(self, reply: _Reply, error: ApiError, record: RequestRecord) -> None:
        if error.status in _TURNED_AWAY:
            self._metrics.rejected(error.code or f"http_{error.status}")
        if record.outcome == "ok":
            record.outcome = error.code or f"http_{error.status}"
        if not reply.is_started:
            await send_error(reply, error)


class _Reply:
    """``send`` of ASGI: adds the headers that all answers have, and notes the status."""

    def __init__(self, send: Send, record: RequestRecord, options: ServerOptions) -> None:
        self._send, self._record, self._options = send, record, options
        self.is_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_started = True
            self._record.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._record.request_id
            for name, value in self._more().items():
                headers.setdefault(name, value)
        await self._send(message)

    def _more(self) -> dict[str, Any]:
        if not self._options.cors_origins:
            return HEADERS
        return {**HEADERS, "cross-origin-resource-policy": "cross-origin"}


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else f"req-{uuid.uuid4().hex}"
