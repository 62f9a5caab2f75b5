"""``ChatCompletions``: the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..endpoint import Answer, Call, Endpoint
from ..event_stream import EventStream
from .plan import plan_of
from .request import ChatRequest
from .response import ChatCompletion, ChatCompletionChunk
from .starting import start_plan
from .writer import AnswerWriter

if TYPE_CHECKING:
    from ..served_model import ServedModel


class ChatCompletions(Endpoint[ChatRequest]):
    """Goes on with a conversation."""

    path: ClassVar[str] = "/v1/chat/completions"
    request_type: ClassVar[type[ChatRequest]] = ChatRequest
    response_type: ClassVar[type[ChatCompletion]] = ChatCompletion
    event_types: ClassVar[tuple[type[ChatCompletionChunk]]] = (ChatCompletionChunk,)

    async def answer(self, request: ChatRequest, model: ServedModel, call: Call) -> Answer:
        """See ``Endpoint``."""
        plan = plan_of(request, model)
        generations = await start_plan(plan, model, call, n=request.n or 1)
        writer = AnswerWriter(request, model, plan.tool_names)
        if request.stream:
            return Answer(events=EventStream(generations, writer.events(generations)))
        return Answer(body=await writer.whole(generations))
