"""``Plan``: what a request asks for, checked, in the words of templates and of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference_pio.generation import Constraint, SamplingOptions

from ..api_errors import invalid
from ..refusals import FIELD_REASONS
from ..sampling_fields import check_stream_options, sampling_options
from .messages import template_messages
from .request import ChatRequest
from .response_format import RegexFormat, format_constraint
from .tool_grammar import tool_grammar
from .tool_prompt import as_plain_conversation
from .tools import NamedChoice, Tool, check_tools, template_tool

if TYPE_CHECKING:
    from ..served_model import ServedModel


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        messages: For the chat template.
        tools: For the chat template, where it has a place for them.
        options: For the engine.
        tool_names: What the answer may call; empty: nothing, and no calls are looked for in it.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    options: SamplingOptions
    tool_names: frozenset[str]


def plan_of(request: ChatRequest, model: ServedModel) -> Plan:
    """Check a request.

    Raises:
        ApiError: 400, with the field that cannot be.
    """
    _check_fixed(request)
    check_stream_options(request)
    offered = request.tools or []
    check_tools(offered, request.tool_choice)
    # Told of tools, a model would try to call them.
    tools = [] if request.tool_choice == "none" else offered
    messages = template_messages(request.messages)
    told = [template_tool(tool) for tool in tools]
    if not model.takes_tools:
        messages, told = as_plain_conversation(messages, told), []
    options = sampling_options(
        request,
        model,
        max_new_tokens=_max_new_tokens(request),
        logprobs=_logprobs(request),
        constraint=_constraint(request, tools),
    )
    return Plan(messages, told or None, options, frozenset(tool.function.name for tool in tools))


def _check_fixed(request: ChatRequest) -> None:
    if request.store:
        raise invalid("store", f"store: {FIELD_REASONS['store']}")


def _max_new_tokens(request: ChatRequest) -> int | None:
    new, old = request.max_completion_tokens, request.max_tokens
    if new is not None and old is not None and new != old:
        raise invalid("max_tokens", "max_tokens: it is the old name of max_completion_tokens, which says otherwise")
    return old if new is None else new


def _logprobs(request: ChatRequest) -> int | None:
    if request.logprobs:
        return request.top_logprobs or 0
    if request.top_logprobs is not None:
        raise invalid("top_logprobs", "top_logprobs: only a request with logprobs = true may have it")
    return None


def _constraint(request: ChatRequest, tools: list[Tool]) -> Constraint | None:
    asked = format_constraint(request.response_format)
    if not tools:
        return asked
    if isinstance(request.response_format, RegexFormat):
        raise invalid("response_format.type", "response_format.type: 'regex' cannot be combined with tools")
    choice = request.tool_choice
    return tool_grammar(
        tools,
        must_call=choice == "required",
        only=choice.function.name if isinstance(choice, NamedChoice) else None,
        many=request.parallel_tool_calls is not False,
        answer=None if asked is None else asked.source,
    )
