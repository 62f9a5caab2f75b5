"""``/tokenize`` and ``/detokenize``, with the names that vLLM gave their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from inference_pio.errors import TokenizerError

from .api_errors import invalid
from .chat.messages import Message
from .chat.plan import plan_of
from .chat.request import MAX_MESSAGES, MAX_TOOLS, ChatRequest
from .chat.starting import prompt_of
from .chat.tools import Tool
from .endpoint import Answer, Call, Endpoint, RequestBody
from .prompt_inputs import check_token_ids, token_ids_of_text

if TYPE_CHECKING:
    from .served_model import ServedModel


class TokenizeRequest(RequestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text, or a conversation as ``/v1/chat/completions`` would give it to the model; ``null`` is nothing.

    Attributes:
        prompt: The text.
        messages: The conversation.
        tools: What the model may call in it.
        add_special_tokens: Whether the tokenizer adds its marks; default: yes for a text, no for a conversation, whose
            template has written them.
    """

    prompt: str | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    add_special_tokens: bool | None = None


class TokenizeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens, how many they are, and how many the model's context holds."""

    tokens: list[int]
    count: int
    max_model_len: int


class Tokenize(Endpoint[TokenizeRequest]):
    """``/tokenize``."""

    path = "/tokenize"
    request_type = TokenizeRequest
    response_type = TokenizeAnswer

    async def answer(self, request: TokenizeRequest, model: ServedModel, call: Call) -> Answer:
        """See ``Endpoint``."""
        tokens = await _tokens(request, model)
        return Answer(TokenizeAnswer(tokens=tokens, count=len(tokens), max_model_len=model.context))


async def _tokens(request: TokenizeRequest, model: ServedModel) -> list[int]:
    if request.prompt is not None and request.messages is not None:
        raise invalid("messages", "messages: give either a prompt or messages, not both")
    if request.messages is not None:
        plan = plan_of(ChatRequest(model=request.model, messages=request.messages, tools=request.tools), model)
        return (await prompt_of(plan, model, add_special_tokens=bool(request.add_special_tokens)))[1]
    if request.prompt is None:
        raise invalid("prompt", "prompt is missing, and so are messages: give one of them")
    if request.tools is not None:
        raise invalid("tools", "tools: they belong to messages, and a prompt has none")
    add_special_tokens = request.add_special_tokens is not False
    return await token_ids_of_text(request.prompt, "prompt", model, add_special_tokens=add_special_tokens)


class DetokenizeRequest(RequestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Token ids; more would hold everybody up."""

    tokens: Annotated[list[int], Meta(max_length=262_144)]


class DetokenizeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Their text, special tokens included."""

    prompt: str


class Detokenize(Endpoint[DetokenizeRequest]):
    """``/detokenize``."""

    path = "/detokenize"
    request_type = DetokenizeRequest
    response_type = DetokenizeAnswer

    async def answer(self, request: DetokenizeRequest, model: ServedModel, call: Call) -> Answer:
        """See ``Endpoint``."""
        check_token_ids(request.tokens, "tokens", model)
        try:
            return Answer(DetokenizeAnswer(prompt=await model.detokenize(request.tokens)))
        except TokenizerError as error:  # a model's vocabulary may have room for more than its tokenizer knows
            raise invalid("tokens", f"tokens: {error}") from error
