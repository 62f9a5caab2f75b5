"""One line of the input: what it must hold, and what is wrong with one that is no request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from .input_file import MAX_LINE_BYTES


class LineRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line as OpenAI's batch format has it; the body is left to the endpoint of its ``url``."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Named(msgspec.Struct):
    custom_id: Any = None


class _Body(msgspec.Struct):
    model: str


class _Asks(msgspec.Struct):
    body: _Body


class _Streams(msgspec.Struct):
    stream: Any = None


@dataclass(frozen=True)
class LineError(Exception):
    """A line that is no request.

    Attributes:
        code: A word for programs, mostly one of OpenAI's.
        message: What is wrong and what to do.
        custom_id: The line's name, as far as it has one.
    """

    code: str
    message: str
    custom_id: str | None = None


_line = msgspec.json.Decoder(LineRequest)
_named = msgspec.json.Decoder(_Named)
_asks = msgspec.json.Decoder(_Asks)
_streams = msgspec.json.Decoder(_Streams)


def parse_line(data: bytes | None, urls: Collection[str]) -> LineRequest:
    """Read a line.

    Args:
        data: Its bytes; ``None`` for one that was too long to be read.
        urls: Those that may be asked.

    Raises:
        LineError: It is no request.
    """
    if data is None:
        raise LineError("line_too_long", f"the line has more than {MAX_LINE_BYTES} bytes. Split the request")
    try:
        request = _line.decode(data)
    except msgspec.ValidationError as error:
        raise LineError("invalid_request", f"the line is not a request: {error}", _custom_id(data)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LineError("invalid_json_line", f"the line is not JSON: {error}") from error
    except RecursionError:
        raise LineError("invalid_json_line", "the line's JSON is nested too deeply") from None
    _check(request, urls)
    return request


def _check(request: LineRequest, urls: Collection[str]) -> None:
    name = request.custom_id
    if request.method != "POST":
        raise LineError("invalid_method", f"method is {request.method!r} and must be 'POST'", name)
    if request.url not in urls:
        raise LineError("invalid_url", f"url is {request.url!r} and must be one of {', '.join(sorted(urls))}", name)
    try:
        streams = _streams.decode(request.body).stream
    except msgspec.ValidationError:
        raise LineError("invalid_request", "body is not an object", name) from None
    if streams is True:
        raise LineError("stream_not_supported", "a batch does not stream: leave stream out of the body", name)


def asked_model(data: bytes | None) -> str | None:
    """Return the model that a line asks for, ``None`` for a line that will not be answered."""
    try:
        return None if data is None else _asks.decode(data).body.model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _custom_id(data: bytes) -> str | None:
    try:
        name = _named.decode(data).custom_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # no object, or broken further on
        return None
    return name if isinstance(name, str) else None
