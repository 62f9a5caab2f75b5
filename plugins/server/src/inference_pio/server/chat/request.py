"""``ChatRequest``: what a client sends to ``/v1/chat/completions``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ..sampling_fields import MAX_TOP_LOGPROBS, ChoiceFields
from .messages import Message
from .response_format import ResponseFormat
from .tools import Tool, ToolChoice

MAX_MESSAGES = 2048
"""More than contexts have room for; it takes the event loop a moment to look at each."""
MAX_TOOLS = 128
MAX_METADATA = 16

MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class ChatRequest(ChoiceFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation, and how to go on with it; ``null`` is the same as nothing."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=MAX_METADATA)] | None = None
    modalities: Annotated[list[Literal["text"]], Meta(min_length=1)] | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: bool | None = None
