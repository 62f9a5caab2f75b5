"""Events of a stream. ``type`` is their name, and ``sequence_number`` counts them from 0."""

from __future__ import annotations

from typing import Any

import msgspec

from .items import OutputItem, OutputText
from .response import Response


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all have."""

    sequence_number: int

    @property
    def name(self) -> str:
        """What kind it is."""
        return str(self.__struct_config__.tag)


class _ResponseEvent(Event, frozen=True, kw_only=True):
    response: Response


class ResponseCreated(_ResponseEvent, frozen=True, kw_only=True, tag="response.created"):
    """The first event."""


class ResponseInProgress(_ResponseEvent, frozen=True, kw_only=True, tag="response.in_progress"):
    """The second event."""


class ResponseCompleted(_ResponseEvent, frozen=True, kw_only=True, tag="response.completed"):
    """The last event of an answer that has come to its end."""


class ResponseIncomplete(_ResponseEvent, frozen=True, kw_only=True, tag="response.incomplete"):
    """The last event of an answer that was as long as it may be."""


class ResponseFailed(_ResponseEvent, frozen=True, kw_only=True, tag="response.failed"):
    """The last event of an answer that failed."""


class _ItemEvent(Event, frozen=True, kw_only=True):
    output_index: int
    item: OutputItem


class OutputItemAdded(_ItemEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    """An item begins."""


class OutputItemDone(_ItemEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    """An item has ended."""


class _PartEvent(Event, frozen=True, kw_only=True):
    item_id: str
    output_index: int
    content_index: int = 0


class ContentPartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A message's text begins."""

    part: OutputText


class ContentPartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A message's text has ended."""

    part: OutputText


class OutputTextDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """More of a message's text."""

    delta: str
    logprobs: list[Any] = []


class OutputTextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    """All of a message's text."""

    text: str
    logprobs: list[Any] = []


class _CallEvent(Event, frozen=True, kw_only=True):
    item_id: str
    output_index: int


class FunctionCallArgumentsDelta(_CallEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    delta: str


class FunctionCallArgumentsDone(_CallEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    """All of a call's arguments."""

    arguments: str


EVENT_TYPES: tuple[type[Event], ...] = (
    ResponseCreated,
    ResponseInProgress,
    OutputItemAdded,
    ContentPartAdded,
    OutputTextDelta,
    OutputTextDone,
    ContentPartDone,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    OutputItemDone,
    ResponseCompleted,
    ResponseIncomplete,
    ResponseFailed,
)
