"""``ResponsesRequest``: what a client sends to ``/v1/responses``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..chat.request import MAX_MESSAGES, MAX_METADATA, MAX_TOOLS, MetadataKey, MetadataValue
from ..chat.response_format import JsonObjectFormat, RegexFormat, TextFormat
from ..chat.tools import FunctionName
from ..sampling_fields import SamplingFields
from .items import InputItem


class FunctionTool(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="function"
):
    """A function of the client's. Its arguments follow ``parameters``, a JSON Schema, whatever ``strict`` says."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionChoice(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="function"
):
    """The function that the model must call."""

    name: str


class SchemaFormat(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json_schema"
):
    """JSON that fits a schema, whatever ``strict`` says. The name has no effect."""

    name: FunctionName
    schema: dict[str, Any]
    strict: bool | None = None


class TextSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the answer's text must look like."""

    format: TextFormat | JsonObjectFormat | SchemaFormat | RegexFormat | None = None


class ResponsesStreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing that changes a stream is supported."""

    include_obfuscation: bool | None = None


class ResponsesRequest(SamplingFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation, and how to go on with it; ``null`` is the same as nothing.

    Fields of type ``None`` and empty lists are those that clients may send, and that can have no other value here.
    """

    input: str | Annotated[list[InputItem], Meta(min_length=1, max_length=MAX_MESSAGES)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    text: TextSettings | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=MAX_METADATA)] | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default"] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    store: bool | None = None
    background: bool | None = None
    include: Annotated[list[str], Meta(max_length=0)] | None = None
    previous_response_id: None = None
    conversation: None = None
    reasoning: None = None
    max_tool_calls: None = None
