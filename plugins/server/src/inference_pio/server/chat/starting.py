"""Puts a plan to work: the prompt it comes to, and the answers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.errors import ChatTemplateError, InvalidOptionError, TokenizerError

from ..api_errors import invalid
from ..generations import Generations
from ..prompt_inputs import check_text_length
from .plan import Plan

if TYPE_CHECKING:
    from ..endpoint import Call
    from ..served_model import ServedModel


async def prompt_of(plan: Plan, model: ServedModel, *, add_special_tokens: bool = False) -> tuple[str, list[int]]:
    """Return a conversation as the model gets it: its text, and its tokens.

    Args:
        plan: What is to be done.
        model: Who does it.
        add_special_tokens: Whether the tokenizer adds its marks, beside those that the template writes itself.

    Raises:
        ApiError: 400: the model cannot chat, or not about this.
    """
    if not model.has_chat_template:
        raise invalid(
            "messages", f"messages: {model.name} has no chat template: it continues text. Use /v1/completions"
        )
    try:
        text = await model.render(plan.messages, tools=plan.tools)
        check_text_length(text, "messages", model)
        return text, await model.tokenize(text, add_special_tokens=add_special_tokens)
    except (ChatTemplateError, TokenizerError) as error:
        raise invalid("messages", f"messages: {error}") from error


async def start_plan(plan: Plan, model: ServedModel, call: Call, *, n: int = 1) -> Generations:
    """Queue answers.

    Args:
        plan: What is to be done.
        model: Who does it.
        call: Of whom.
        n: How many answers.

    Raises:
        ApiError: As ``prompt_of``; 400 also for a schema or an expression that the engine cannot hold an answer to.
        InferencePioError: As ``ServedModel.start``.
    """
    text, prompt_ids = await prompt_of(plan, model)
    generations = Generations()
    try:
        await generations.add(
            model, prompt_ids, plan.options, n=n, text=text, messages=plan.messages, cache_salt=call.caller
        )
    except InvalidOptionError as error:
        if plan.options.constraint is None:
            raise
        # All other options have been checked by the fields of the request.
        param = "tools" if plan.tool_names else "response_format"
        raise invalid(param, f"{param}: {error}") from error
    return generations
