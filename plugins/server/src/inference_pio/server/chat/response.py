"""What ``/v1/chat/completions`` answers, whole and piece by piece."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..token_logprobs import ChosenLogprob
from ..usage import Usage
from .steps import FinishReason


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True):
    """What to call; the arguments are JSON as text."""

    name: str
    arguments: str


class MessageToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the model makes."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class ChatAnswerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the model answers; ``content`` is ``null`` where it only calls tools."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[MessageToolCall] | UnsetType = UNSET


class ChatLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    """One entry for each token of the answer, those of its tool calls included."""

    content: list[ChosenLogprob]
    refusal: None = None


class ChatChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``n`` answers."""

    index: int
    message: ChatAnswerMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: None = None
    service_tier: Literal["default"] | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET


class FunctionCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """The name comes with the beginning of a call, the arguments piece by piece."""

    name: str | UnsetType = UNSET
    arguments: str


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a call."""

    index: int
    id: str | UnsetType = UNSET
    function: FunctionCallDelta
    type: Literal["function"] | UnsetType = UNSET


class ChatDelta(msgspec.Struct, frozen=True, kw_only=True):
    """What is new."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: UnsetType | None = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChatChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What is new in one of ``n`` answers."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a stream. With ``include_usage`` the last one has the usage and no choices."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    system_fingerprint: None = None
    service_tier: Literal["default"] | UnsetType = UNSET
