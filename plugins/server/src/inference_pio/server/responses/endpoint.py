"""``Responses``: the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..answer_ids import new_id, now_s
from ..chat.plan import Plan, plan_of
from ..chat.response_format import TextFormat
from ..chat.starting import start_plan
from ..endpoint import Answer, Call, Endpoint
from ..event_stream import EventStream
from .conversion import as_chat
from .events import EVENT_TYPES, Event
from .request import ResponsesRequest, TextSettings
from .response import Response
from .writer import ResponseWriter

if TYPE_CHECKING:
    from ..served_model import ServedModel


class Responses(Endpoint[ResponsesRequest]):
    """See the package."""

    path: ClassVar[str] = "/v1/responses"
    request_type: ClassVar[type[ResponsesRequest]] = ResponsesRequest
    response_type: ClassVar[type[Response]] = Response
    event_types: ClassVar[tuple[type[Event], ...]] = EVENT_TYPES

    async def answer(self, request: ResponsesRequest, model: ServedModel, call: Call) -> Answer:
        """See ``Endpoint``."""
        conversion = as_chat(request)
        with conversion.own_words():
            plan = plan_of(conversion.request, model)
            generations = await start_plan(plan, model, call)
        writer = ResponseWriter(_begun(request, plan, model), plan.tool_names)
        if request.stream:
            return Answer(events=EventStream(generations, writer.events(generations), done=b""))
        return Answer(await writer.whole(generations))


def _begun(request: ResponsesRequest, plan: Plan, model: ServedModel) -> Response:
    temperature, top_p = plan.options.temperature, plan.options.top_p or model.sampling_defaults.top_p
    assert temperature is not None, "every plan says it"
    format_ = request.text.format if request.text else None
    return Response(
        id=new_id("resp_"),
        created_at=now_s(),
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        model=model.name,
        parallel_tool_calls=request.parallel_tool_calls is not False,
        temperature=temperature,
        text=TextSettings(format=format_ or TextFormat()),
        tool_choice=request.tool_choice or "auto",
        tools=request.tools or [],
        top_p=1.0 if top_p is None else top_p,
        user=request.user,
        metadata=request.metadata or {},
        safety_identifier=request.safety_identifier,
    )
