"""``Response``: what ``/v1/responses`` answers, whole or as it stands while it comes."""

from __future__ import annotations

from typing import Literal

import msgspec

from inference_pio.generation import GenerationStats

from ..usage import usage_of
from .items import OutputItem
from .request import FunctionChoice, FunctionTool, TextSettings

ErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]


class InputTokensDetails(msgspec.Struct, frozen=True, kw_only=True):
    """``cached_tokens`` were computed for an earlier request. Writing into the cache is not counted."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Models here do not think apart from their answers."""

    reasoning_tokens: int = 0


class ResponseUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of the conversation and of the answer."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class IncompleteDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer has no end: as many tokens as were asked for, or a full context."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer failed after it had begun."""

    code: ErrorCode
    message: str


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and what was asked for."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Literal["in_progress", "completed", "incomplete", "failed"] = "in_progress"
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool
    temperature: float
    text: TextSettings
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice
    tools: list[FunctionTool]
    top_p: float
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: str | None
    metadata: dict[str, str]
    safety_identifier: str | None
    service_tier: Literal["default"] = "default"
    store: bool = False
    background: bool = False
    previous_response_id: None = None


def response_usage(stats: GenerationStats) -> ResponseUsage:
    """Say what an answer took in the words of this protocol."""
    usage = usage_of([[stats]])
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=usage.prompt_tokens_details.cached_tokens),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputTokensDetails(),
        total_tokens=usage.total_tokens,
    )
