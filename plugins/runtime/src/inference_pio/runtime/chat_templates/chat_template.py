"""``ChatTemplate``: one checkpoint's way to write a conversation as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables

from inference_pio.errors import ChatTemplateError

from .conversation import plain, plain_messages
from .environment import TemplateRefusedError, chat_environment
from .meter import METER, Meter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from jinja2 import Template

MAX_SOURCE_CHARS = 65_536
"""Longest template; the longest ones in use have about 30,000 characters."""

# What a template can make Python raise: its own defects, as far as the caller is concerned.
_DEFECTS = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    RuntimeError,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
)


class ChatTemplate:
    """A compiled chat template; safe to use from several threads.

    A template comes with a checkpoint, so it is data from strangers. It runs in jinja's immutable sandbox with the
    names that transformers offers to chat templates, sees plain data only, and everything it does is counted: steps,
    time, size of each value, of all values and of the text.

    Attributes:
        source: The jinja source.
        takes_tools: Whether it looks at ``tools``.

    Args:
        source: See above.
        bos_token: Spelling of the beginning-of-text token, for the template.
        eos_token: Spelling of the end-of-text token, for the template.

    Raises:
        ChatTemplateError: The source is too long or has an error; the message has the line.
    """

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        if len(source) > MAX_SOURCE_CHARS:
            raise ChatTemplateError(
                f"the chat template has {len(source)} characters; {MAX_SOURCE_CHARS} are allowed. It may be hostile"
            )
        self.source = source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        try:
            self._template = chat_environment().compile_template(source)
            self.takes_tools = "tools" in find_undeclared_variables(chat_environment().parse(source))
        except TemplateSyntaxError as error:
            raise ChatTemplateError(f"the chat template is broken in line {error.lineno}: {error.message}") from error
        except _DEFECTS as error:
            raise ChatTemplateError(f"the chat template cannot be compiled: {_summary(error)}") from error

    def render(
        self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool = True, **variables: Any
    ) -> str:
        """Write a conversation as text.

        Args:
            messages: Each with ``role`` and ``content``.
            add_generation_prompt: End with the beginning of the assistant's answer.
            variables: More names for the template, plain data: ``tools``, ``documents``, ``enable_thinking`` …

        Raises:
            ChatTemplateError: The messages are malformed, the template refuses them, it is broken, or it goes over a
                limit.
        """
        names: dict[str, Any] = {"tools": None, "documents": None, **self._tokens, **plain(variables)}
        names |= {"messages": plain_messages(messages), "add_generation_prompt": bool(add_generation_prompt)}
        try:
            return self._run(names)
        except ChatTemplateError:
            raise
        except TemplateRefusedError as error:
            raise ChatTemplateError(f"the chat template refuses these messages: {error.message}") from error
        except _DEFECTS as error:
            line = _template_line(self._template, error.__traceback__)
            where = f" in line {line}" if line else ""
            raise ChatTemplateError(f"the chat template failed{where}: {_summary(error)}") from error

    def _run(self, names: dict[str, Any]) -> str:
        token = METER.set(Meter(names))
        try:
            return "".join(self._template.root_render_func(self._template.new_context(names)))
        finally:
            METER.reset(token)


def _summary(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:500]}"


def _template_line(template: Template, trace: TracebackType | None) -> int | None:
    """Return the last line of the template that a traceback went through."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
