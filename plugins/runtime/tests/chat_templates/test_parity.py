"""The text equals what transformers makes of the same template, messages and variables."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from inference_pio.errors import ChatTemplateError
from inference_pio.runtime.chat_templates import ChatTemplate

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def by_transformers(template: str, messages: Any, **variables: Any) -> str | None:
    """The text, or ``None`` when the template raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' own deprecations are not what is tested here
        from transformers.utils.chat_template_utils import render_jinja_template
    import jinja2

    try:
        texts, _ = render_jinja_template([messages], chat_template=template, **TOKENS, **variables)
    except (jinja2.TemplateError, TypeError, ValueError):
        return None
    return str(texts[0])


def by_us(template: str, messages: Any, **variables: Any) -> str | None:
    try:
        return ChatTemplate(template, **TOKENS).render(messages, **variables)
    except ChatTemplateError:
        return None


@pytest.mark.parametrize("add_generation_prompt", [True, False])
@pytest.mark.parametrize("with_tools", [True, False])
def test_text_equals_transformers(
    template: str, conversation: Any, add_generation_prompt: bool, with_tools: bool, tool: dict[str, Any]
) -> None:
    variables = {"add_generation_prompt": add_generation_prompt, "tools": [tool] if with_tools else None}
    assert by_us(template, conversation, **variables) == by_transformers(template, conversation, **variables)


@pytest.mark.parametrize("thinking", [True, False])
def test_variables_reach_the_template(template: str, thinking: bool) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    variables = {"add_generation_prompt": True, "enable_thinking": thinking, "date_string": "1 Jan 2030"}
    ours = by_us(template, messages, **variables)
    assert ours is not None
    assert ours == by_transformers(template, messages, **variables)


def test_smollm2_writes_its_well_known_text(smollm2_template: str) -> None:
    assert ChatTemplate(smollm2_template).render([{"role": "user", "content": "Hi"}]) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_date_is_today() -> None:
    from datetime import datetime

    text = ChatTemplate("{{ strftime_now('%Y-%m-%d') }}").render([{"role": "user", "content": ""}])
    assert abs((datetime.now() - datetime.fromisoformat(text)).total_seconds()) < 2 * 86400
