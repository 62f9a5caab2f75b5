"""Reads the body of a request: JSON, not longer than allowed, within a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .api_errors import ApiError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive


class ClientGoneError(Exception):
    """The client has closed the connection; there is nobody to tell."""


def check_content_type(headers: Headers) -> None:
    """Refuse what does not say that it is JSON: a browser sends that across sites only after asking.

    Raises:
        ApiError: 415.
    """
    kind, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise ApiError(415, "the body must be JSON in UTF-8 and say so: Content-Type: application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "the body must not be compressed: send it without Content-Encoding")


async def read_body(headers: Headers, receive: Receive, *, limit: int, timeout_s: float) -> bytes:
    """Return the body; what is too long is refused as soon as that is known.

    Args:
        headers: Of the request.
        receive: Of ASGI.
        limit: Longest body, bytes.
        timeout_s: How long it may take to arrive, seconds.

    Raises:
        ApiError: 413 too long, 408 too slow.
        ClientGoneError: The connection ended before the body did.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise _too_long(limit)
    try:
        return await asyncio.wait_for(_read(receive, limit), timeout_s)
    except asyncio.TimeoutError:
        raise ApiError(408, f"the body of the request did not arrive within {timeout_s:g} s") from None


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_long(limit)
        if not message.get("more_body", False):
            return bytes(body)


def _too_long(limit: int) -> ApiError:
    return ApiError(413, f"the body of the request is longer than {limit} bytes, the most that this server takes")
