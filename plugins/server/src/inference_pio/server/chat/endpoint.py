"""``ChatCompletions``: the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from inference_pio.errors import ChatTemplateError, TokenizerError

from ..api_errors import invalid
from ..endpoint import Answer, Call, Endpoint
from ..event_stream import EventStream
from ..generations import Generations
from .plan import Plan, plan_of
from .request import ChatRequest
from .response import ChatCompletion, ChatCompletionChunk
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
        generations = await _started(plan, request.n or 1, model, call)
        writer = AnswerWriter(request, model, plan.tool_names)
        if request.stream:
            return Answer(events=EventStream(generations, writer.events(generations)))
        return Answer(body=await writer.whole(generations))


async def _started(plan: Plan, n: int, model: ServedModel, call: Call) -> Generations:
    try:
        text = await model.render(plan.messages, tools=plan.tools)
        # The template writes the special tokens itself.
        prompt_ids = await model.tokenize(text, add_special_tokens=False)
    except (ChatTemplateError, TokenizerError) as error:
        raise invalid("messages", f"messages: {error}") from error
    return await Generations.start(
        model, prompt_ids, plan.options, n=n, text=text, messages=plan.messages, cache_salt=call.caller
    )
