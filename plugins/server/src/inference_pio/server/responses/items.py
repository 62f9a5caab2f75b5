"""What a conversation is made of: messages, calls of functions, and what they returned."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..chat.tools import FunctionName

Status = Literal["in_progress", "completed", "incomplete"]


class InputText(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="input_text"
):
    """A part of a message."""

    text: str


class OutputText(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="output_text"
):
    """A part of an answer. Models here annotate nothing."""

    text: str
    annotations: list[Any] = []
    logprobs: list[Any] | None = []


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="refusal"):
    """A part of an answer that says no; from elsewhere."""

    refusal: str


Content = str | list[InputText | OutputText | Refusal]


class InputItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the conversation so far; one struct, because messages may leave out their ``type``.

    Attributes:
        type: Default: a message.
        role: Of a message.
        content: Of a message.
        call_id: Of a call, and of what it returned.
        name: What was called.
        arguments: What it was called with, JSON as text.
        output: What it returned.
        id: Has no meaning here, as ``status`` and ``phase``: items of an answer may be sent back as they are.
        status: As ``id``.
        phase: As ``id``.
    """

    type: Literal["message", "function_call", "function_call_output"] | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: Content | None = None
    call_id: str | None = None
    name: FunctionName | None = None
    arguments: str | None = None
    output: Content | None = None
    id: str | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class OutputMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the model says."""

    id: str
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText]


class OutputCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """What the model asks the client to call; ``arguments`` are JSON as text."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


OutputItem = OutputMessage | OutputCall
