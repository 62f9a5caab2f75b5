"""``RequestRecord``: what the log and the metrics say of one request. Nothing of its content."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

_KEY = "inference_pio.record"


@dataclass
class RequestRecord:
    """One request.

    Attributes:
        request_id: The client's where it was sane, else ours.
        method: Of HTTP.
        path: As it was asked for.
        route: The path of what answered it, from a fixed list; ``other`` where nothing did.
        caller: Name of its API key.
        status: Of HTTP; 0 until the answer begins. 499: the client had gone before.
        outcome: ``ok``, ``client_gone``, ``timeout``, ``shutdown``, ``error``, or the code of the error that was told.
        prompt_tokens: Of all prompts that it had computed.
        cached_tokens: Those of them that an earlier request had computed.
        new_tokens: Of all answers.
        started_s: On the monotonic clock.
    """

    request_id: str
    method: str = ""
    path: str = ""
    route: str = "other"
    caller: str = ""
    status: int = 0
    outcome: str = "ok"
    prompt_tokens: int = 0
    cached_tokens: int = 0
    new_tokens: int = 0
    started_s: float = field(default_factory=time.perf_counter)


def attach(scope: Any, record: RequestRecord) -> None:
    """Leave a request's record where ``record_of`` finds it."""
    scope[_KEY] = record


def record_of(scope: Any) -> RequestRecord:
    """Return the record of the request that this ASGI scope belongs to."""
    return cast("RequestRecord", scope[_KEY])
