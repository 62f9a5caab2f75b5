"""``ResponseWriter``: makes events of what a model writes; a whole answer is what the last event holds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from typing import TypeVar

import msgspec

from ..api_errors import ApiError, as_api_error
from ..chat.steps import Step, read_steps
from ..chat.tool_call_reader import CallStart, Piece, Text
from ..event_stream import encode_event
from ..generations import Generations
from .events import (
    Event,
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
)
from .items import OutputItem, Status
from .open_items import OpenCall, OpenItem, OpenMessage
from .response import ErrorCode, IncompleteDetails, Response, ResponseError, response_usage

E = TypeVar("E", bound=Event)

_CODES: Mapping[int, ErrorCode] = {400: "invalid_prompt", 429: "rate_limit_exceeded"}


class ResponseWriter:
    """Writes one answer.

    Args:
        response: It, before it has begun.
        tool_names: What it may call.
    """

    def __init__(self, response: Response, tool_names: Collection[str]) -> None:
        self._response, self._tool_names = response, tool_names
        self._count = 0
        self._items: list[OutputItem] = []
        self._open: OpenItem | None = None

    async def whole(self, generations: Generations) -> Response:
        """Read the answer to its end.

        Raises:
            ApiError: It was cut off.
            InferencePioError: The computation failed.
        """
        async with contextlib.aclosing(self._events(generations)) as events:
            async for _ in events:
                pass
        return self._response

    async def events(self, generations: Generations) -> AsyncGenerator[bytes, None]:
        """Yield encoded events as the answer comes; a failure is the last of them."""
        try:
            async with contextlib.aclosing(self._events(generations)) as events:
                async for event in events:
                    yield encode_event(event, event.name)
        except Exception as error:  # noqa: BLE001 - the answer has begun, so it can only be told here
            failed = self._failed(as_api_error(error))
            yield encode_event(failed, failed.name)

    async def _events(self, generations: Generations) -> AsyncGenerator[Event, None]:
        yield self._event(ResponseCreated, response=self._response)
        yield self._event(ResponseInProgress, response=self._response)
        async with contextlib.aclosing(read_steps(generations, self._tool_names)) as steps:
            async for step in steps:
                for piece in step.pieces:
                    for event in self._of_piece(piece):
                        yield event
                if step.finish_reason is not None:
                    for event in self._of_end(step):
                        yield event

    def _of_piece(self, piece: Piece) -> Iterator[Event]:
        if isinstance(piece, CallStart):
            yield from self._begin(OpenCall(self._next_place(), self._event, piece))
            return
        if isinstance(piece, Text) and not isinstance(self._open, OpenMessage):
            yield from self._begin(OpenMessage(self._next_place(), self._event))
        assert self._open is not None, "arguments follow the start of their call"
        yield from self._open.more(piece.text)

    def _of_end(self, step: Step) -> Iterator[Event]:
        assert step.stats is not None, "comes with the reason"
        if self._next_place() == 0:  # an answer that says nothing says so
            yield from self._begin(OpenMessage(0, self._event))
        is_whole = step.finish_reason != "length"
        yield from self._end("completed" if is_whole else "incomplete")
        self._response = msgspec.structs.replace(
            self._response,
            status="completed" if is_whole else "incomplete",
            incomplete_details=None if is_whole else IncompleteDetails(),
            output=self._items,
            usage=response_usage(step.stats),
        )
        yield self._event(ResponseCompleted if is_whole else ResponseIncomplete, response=self._response)

    def _next_place(self) -> int:
        return len(self._items) + (self._open is not None)

    def _begin(self, item: OpenItem) -> Iterator[Event]:
        yield from self._end("completed")
        self._open = item
        yield from item.begin()

    def _end(self, status: Status) -> Iterator[Event]:
        item, self._open = self._open, None
        if item is not None:
            self._items.append(item.item(status))
            yield from item.end(status)

    def _failed(self, error: ApiError) -> ResponseFailed:
        output = self._items if self._open is None else [*self._items, self._open.item("incomplete")]
        told = ResponseError(code=_CODES.get(error.status, "server_error"), message=error.message)
        self._response = msgspec.structs.replace(self._response, status="failed", error=told, output=output)
        return self._event(ResponseFailed, response=self._response)

    def _event(self, kind: type[E], **fields: object) -> E:
        number, self._count = self._count, self._count + 1
        return kind(sequence_number=number, **fields)
