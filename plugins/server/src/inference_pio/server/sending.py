"""Sends answers over ASGI: JSON at once, or server-sent events one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Send


async def send_json(send: Send, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
    """Send a whole answer."""
    data = msgspec.json.encode(body)
    basic = {"content-type": "application/json", "content-length": str(len(data))}
    await _start(send, status, {**basic, **(headers or {})})
    await send({"type": "http.response.body", "body": data})


async def send_error(send: Send, error: ApiError) -> None:
    """Send an error in the protocol's words."""
    await send_json(send, error.status, error.body(), error_headers(error))


def error_headers(error: ApiError) -> dict[str, str]:
    """Return the headers that go with an error."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.code == "request_timeout":  # clients that repeat after a 5xx would only wait as long again
        headers["x-should-retry"] = "false"
    if error.status == 408:  # the rest of the body may come yet; after 413 it is read and dropped, or nobody reads this
        headers["connection"] = "close"
    return headers


async def start_events(send: Send, headers: Mapping[str, str]) -> None:
    """Begin an answer of server-sent events; nothing on the way may hold them back."""
    await _start(
        send,
        200,
        {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
            **headers,
        },
    )


async def send_event(send: Send, event: bytes) -> None:
    """Send one event."""
    await send({"type": "http.response.body", "body": event, "more_body": True})


async def send_error_event(send: Send, error: ApiError) -> None:
    """Send an error where the answer has begun."""
    await send_event(send, b"data: " + msgspec.json.encode(error.body()) + b"\n\n")


async def end_events(send: Send) -> None:
    """End an answer of server-sent events."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
