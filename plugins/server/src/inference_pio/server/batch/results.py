"""What is written for a line, in the format of OpenAI's batch results; and how such a line is read again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from ..api_errors import ApiError
from .line_request import LineError

_ID = re.compile(r"batch_req_([0-9a-f]{16})_([1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Result:
    """The outcome of one line.

    Attributes:
        line: Its number, from 1.
        data: What is written, with its line end.
        is_failed: Whether it is an error.
        prompt_tokens: Tokens that were read for it.
        new_tokens: Tokens that were generated for it.
    """

    line: int
    data: bytes
    is_failed: bool
    prompt_tokens: int = 0
    new_tokens: int = 0


class Written(msgspec.Struct):
    """What is read of a result that an earlier run has written."""

    class Response(msgspec.Struct):
        """The part that says whether the request was answered."""

        status_code: int

    id: str
    response: Response | None
    error: Any

    def owner(self) -> tuple[str, int] | None:
        """Return which run it belongs to and which line it answers; ``None`` when it is not ours."""
        match = _ID.fullmatch(self.id)
        return (match[1], int(match[2])) if match else None

    @property
    def is_failed(self) -> bool:
        """Whether the line is an error."""
        return self.response is None or self.response.status_code >= 400


def id_prefix(run: str) -> str:
    """Return what the ``id`` of every result of a run begins with.

    Args:
        run: 16 hexadecimal digits: the first of the input's digest, or random ones where there is no resuming.
    """
    return f"batch_req_{run}_"


def answered(run: str, line: int, custom_id: str, request_id: str, body: Any) -> Result:
    """Return the result of a request that was answered.

    Args:
        run: As in ``id_prefix``.
        line: Its number.
        custom_id: Its name.
        request_id: What it is called in the log.
        body: What a client of the server would have got.
    """
    usage = _usage(body)
    # One form of the protocol has these names, the other those.
    prompt = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    new = usage.get("completion_tokens", usage.get("output_tokens", 0))
    data = _line(run, line, custom_id, response=_response(200, request_id, body))
    return Result(line, data, False, prompt, new)


def refused(run: str, line: int, custom_id: str, request_id: str, error: ApiError) -> Result:
    """Return the result of a request that the endpoint, or the model, answered with an error."""
    return Result(
        line, _line(run, line, custom_id, response=_response(error.status, request_id, error.body())), is_failed=True
    )


def no_request(run: str, line: int, error: LineError) -> Result:
    """Return the result of a line that is no request."""
    told = {"code": error.code, "message": f"line {line}: {error.message}"}
    return Result(line, _line(run, line, error.custom_id, error=told), is_failed=True)


def _response(status: int, request_id: str, body: Any) -> dict[str, Any]:
    return {"status_code": status, "request_id": request_id, "body": body}


def _line(run: str, line: int, custom_id: str | None, *, response: Any = None, error: Any = None) -> bytes:
    row = {"id": f"{id_prefix(run)}{line}", "custom_id": custom_id, "response": response, "error": error}
    return msgspec.json.encode(row) + b"\n"


def _usage(body: Any) -> dict[str, Any]:
    usage = body.get("usage") if isinstance(body, dict) else getattr(body, "usage", None)
    found = msgspec.to_builtins(usage)
    return found if isinstance(found, dict) else {}
