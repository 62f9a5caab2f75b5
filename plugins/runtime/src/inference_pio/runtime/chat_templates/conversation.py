"""Checks messages, and turns what a template gets to see into plain data.

Objects have methods, and a sandbox cannot know which are harmless. A template sees only dict, list, str, int, float,
bool and None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inference_pio.errors import ChatTemplateError


def plain_messages(messages: Any) -> list[dict[str, Any]]:
    """Check chat messages and copy them.

    Raises:
        ChatTemplateError: No list, empty, or a message is not a mapping with a role and a content. A content may be a
            text, a list of parts, or ``None`` where the message has ``tool_calls``.
    """
    if isinstance(messages, (str, bytes)) or not isinstance(messages, Sequence):
        raise ChatTemplateError(f"a chat is a list of messages with role and content, not {type(messages).__name__}")
    if not messages:
        raise ChatTemplateError("the chat has no messages; give at least one with role 'user'")
    for place, message in enumerate(messages):
        _check_message(place, message)
    return [plain(message) for message in messages]


def _check_message(place: int, message: Any) -> None:
    if not isinstance(message, Mapping):
        raise ChatTemplateError(f"message {place} is {type(message).__name__}, not a mapping with role and content")
    for key in ("role", "content"):
        if key not in message and not (key == "content" and message.get("tool_calls")):
            raise ChatTemplateError(f"message {place} has no {key!r}; it has {sorted(map(str, message))}")
    role, content = message["role"], message.get("content")
    if not isinstance(role, str) or not role:
        raise ChatTemplateError(f"message {place} has the role {role!r}; it must be a text such as 'user'")
    if not isinstance(content, (str, list, tuple)) and not (content is None and message.get("tool_calls")):
        raise ChatTemplateError(
            f"message {place} ({role}) has a content of type {type(content).__name__}; it must be a text"
        )


def plain(value: Any) -> Any:
    """Return a copy made of plain data.

    Raises:
        ChatTemplateError: It holds something else, or contains itself.
    """
    try:
        return _plain(value)
    except RecursionError as error:
        raise ChatTemplateError("the chat's data is nested too deeply, or contains itself") from error


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    for kind in (str, bool, int, float):  # subclasses (enums, numpy numbers) lose what they add
        if isinstance(value, kind):
            return kind.__str__(value) if kind is str else kind(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise ChatTemplateError(f"a chat template can only be given plain data, not {type(value).__name__}")
