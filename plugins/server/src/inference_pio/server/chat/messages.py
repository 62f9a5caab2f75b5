"""Messages of a conversation as clients send them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..api_errors import invalid

MAX_CALLS = 2048
"""Most calls of tools, and most parts of a message, in one conversation; each takes the event loop a moment."""


class TextPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A part of a message."""

    text: str


class RefusalPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="refusal"):
    """A part of an answer that says no."""

    refusal: str


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was called; the arguments are JSON as text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="function"):
    """A call that the model made."""

    id: str
    function: CalledFunction


TextParts = Annotated[list[TextPart], Meta(min_length=1, max_length=MAX_CALLS)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="role"):
    name: str | None = None


class SystemMessage(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="system"):
    """What holds for the whole conversation."""

    content: str | TextParts


class DeveloperMessage(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="developer"):
    """The same under its newer name."""

    content: str | TextParts


class UserMessage(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="user"):
    """What the user said."""

    content: str | TextParts


class AssistantMessage(_Message, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="assistant"):
    """What the model answered. The last three fields may be there, empty, as in a message that an API returned."""

    content: str | Annotated[list[TextPart | RefusalPart], Meta(min_length=1, max_length=MAX_CALLS)] | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCall], Meta(max_length=MAX_CALLS)] | None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None


class ToolMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="role", tag="tool"):
    """What a call returned."""

    content: str | TextParts
    tool_call_id: str


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


def template_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Write messages as chat templates know them.

    Parts become one text, joined by line breaks. ``developer`` is ``system``. Arguments of calls are objects, where
    they are JSON: templates write them as JSON once more.

    Raises:
        ApiError: 400: an answer without content, a result of a call that nobody made, or too many calls.
    """
    calls = sum(len(message.tool_calls or ()) for message in messages if isinstance(message, AssistantMessage))
    if calls > MAX_CALLS:
        raise invalid("messages", f"messages: they hold {calls} calls of tools; at most {MAX_CALLS} are taken")
    names: dict[str, str] = {}
    written = []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if isinstance(message, ToolMessage):
            written.append(_result(message, names, where))
            continue
        role = "system" if isinstance(message, DeveloperMessage) else str(message.__struct_config__.tag)
        told: dict[str, Any] = {"role": role, "content": _text(message.content)}
        if isinstance(message, AssistantMessage):
            told |= _answer(message, where)
            names |= {call.id: call.function.name for call in message.tool_calls or ()}
        if message.name is not None:
            told["name"] = message.name
        written.append(told)
    return written


def _answer(message: AssistantMessage, where: str) -> dict[str, Any]:
    if message.content is None and message.refusal is None and not message.tool_calls:
        raise invalid(f"{where}.content", f"{where}.content: an answer needs a content or tool_calls")
    if message.content is not None and message.refusal is not None:
        raise invalid(f"{where}.refusal", f"{where}.refusal: an answer has a content or a refusal, not both")
    told: dict[str, Any] = {"content": message.refusal if message.refusal is not None else _text(message.content)}
    if message.tool_calls:
        told["tool_calls"] = [_call(call) for call in message.tool_calls]
    return told


def _call(call: ToolCall) -> dict[str, Any]:
    arguments: Any = call.function.arguments
    # What is no object, cut off by max_tokens perhaps, is given to the template as it is.
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        arguments = msgspec.json.decode(arguments, type=dict[str, Any])
    return {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}}


def _result(message: ToolMessage, names: dict[str, str], where: str) -> dict[str, Any]:
    name = names.get(message.tool_call_id)
    if name is None:
        param = f"{where}.tool_call_id"
        raise invalid(param, f"{param}: no earlier message of the assistant has a call of this id among its tool_calls")
    return {"role": "tool", "content": _text(message.content), "tool_call_id": message.tool_call_id, "name": name}


def _text(content: str | Sequence[TextPart | RefusalPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text if isinstance(part, TextPart) else part.refusal for part in content)
