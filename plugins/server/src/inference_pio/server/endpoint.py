"""``Endpoint``: one call of the protocol, without HTTP. The server and ``inference-pio batch`` use the same ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from .served_model import ServedModel


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends. A field that is not declared is refused by its name."""

    model: str


R = TypeVar("R", bound=RequestBody)


@dataclass(frozen=True)
class Call:
    """What belongs to one request beside its body.

    Attributes:
        request_id: Unique; in the log and in the answer's headers.
        caller: Name of the API key; requests of one caller share computed prompts.
    """

    request_id: str
    caller: str = ""


@dataclass(frozen=True)
class Answer:
    """What a request gets: a body at once, or events one after another.

    Attributes:
        body: What is sent as JSON.
        events: Server-sent events, each a whole block of bytes that ends in an empty line; closing the iterator stops
            the computation. An error after the first event is sent as an event by the endpoint itself.
    """

    body: Any = None
    events: AsyncIterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Endpoint(ABC, Generic[R]):
    """One call of the protocol.

    Attributes:
        path: ``/v1/chat/completions``.
        request_type: The body it takes.
        response_type: The body it answers with.
        event_types: What its events hold, where it has some.
    """

    path: ClassVar[str]
    request_type: ClassVar[type[RequestBody]]
    response_type: ClassVar[type[msgspec.Struct]]
    event_types: ClassVar[tuple[type[msgspec.Struct], ...]] = ()

    @abstractmethod
    async def answer(self, request: R, model: ServedModel, call: Call) -> Answer:
        """Answer a request. Cancelling the task that awaits this stops the computation.

        Raises:
            ApiError: The request asks for something that cannot be.
            InferencePioError: Whatever the model raised; ``as_api_error`` puts it into the protocol's words.
        """
