"""What is known of one generation, as the hooks see it and as a row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from inference_pio import __version__ as host_version

from .conversations import key_of, split_messages

if TYPE_CHECKING:
    from inference_pio import Completion
    from inference_pio.generation import GenerationRequest

Kind = Literal["chat", "text", "tokens"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One generation that has ended.

    Attributes:
        request: As the hooks got it.
        messages: Copies of the request's; the caller may go on changing his own.
        completion: What came of it.
        checkpoint: What the model ran, if that is known.
        started: When it began, UTC.
        duration_s: From then to the end, seconds.
        error: The exception that ended it, if one did.
    """

    request: GenerationRequest
    messages: tuple[dict[str, str], ...]
    completion: Completion
    checkpoint: str | None
    started: datetime
    duration_s: float
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A record on its way into the database.

    Attributes:
        columns: The row, without what its place in a conversation decides.
        key: Identifies the conversation up to and with this turn; ``None``: nothing can follow it.
        previous_key: The key of the turn that this one goes on from; ``None``: it begins a conversation.
        earlier: Messages that stand before the prompt, when it begins one.
        later: The same when it goes on: those that came after the turn before.
    """

    columns: dict[str, Any]
    key: str | None
    previous_key: str | None
    earlier: list[dict[str, str]]
    later: list[dict[str, str]]


def turn_of(record: Record) -> Turn:
    """Turn a record into a row."""
    split = split_messages(record.messages)
    request, completion, stats = record.request, record.completion, record.completion.stats
    kind: Kind = "chat" if record.messages else "text" if request.prompt is not None else "tokens"
    is_void = completion.finish_reason == "cancelled" and not completion.text
    columns = {
        "model": request.plugin_name,
        "checkpoint": record.checkpoint,
        "kind": kind,
        "system": split.system,
        "prompt": split.prompt if kind == "chat" else request.prompt or "",
        "prompt_ids": json.dumps(list(map(int, request.prompt_ids))) if kind == "tokens" else None,
        "answer": completion.text,
        "finish_reason": completion.finish_reason,
        "error": record.error,
        "options": json.dumps(_options(request.options), ensure_ascii=False, default=str),
        "prompt_tokens": stats.prompt_tokens,
        "new_tokens": stats.new_tokens,
        "first_token_s": stats.first_token_s,
        "generation_s": stats.total_s,
        "started": stamp(record.started),
        "duration_s": record.duration_s,
        "host_version": host_version,
    }
    return Turn(
        columns={name: _storable(value) for name, value in columns.items()},
        # A turn without an answer is no turn for the one who chats: the next one goes on from the one before.
        key=None if is_void or kind != "chat" else key_of([*split.turns, ("assistant", completion.text)]),
        previous_key=key_of(split.before) if split.before else None,
        earlier=[_message(role, text) for role, text in split.earlier],
        later=[_message(role, text) for role, text in split.later],
    )


def stamp(moment: datetime) -> str:
    """Return a moment as it is stored: UTC, milliseconds; the order of the texts is the order in time."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(stamped: str) -> datetime:
    """Return a stored moment."""
    return datetime.fromisoformat(stamped.replace("Z", "+00:00"))


def _message(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": _storable(text)}


def _options(options: Any) -> Mapping[str, Any]:
    """The options that say something; what is not set is not worth a place."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in given.items()
        if value is not None and value is not False
    }


def _storable(value: Any) -> Any:
    """Replace lone surrogates, which a text from Python can have and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
