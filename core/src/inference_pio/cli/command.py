"""How commands and options look in ``--help``: options in sections, then examples."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from . import logs

F = TypeVar("F", bound=Callable[..., Any])

_NAME_COLUMN = 32
"""Widest option, with its value, that the explanations make room for, characters."""

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass
class State:
    """What the global options say; the ``obj`` of the click context."""

    debug: bool = False
    verbose: bool = False


class Option(click.Option):
    """An option that stands in a section of the help page.

    Args:
        section: Heading that the option stands under.
    """

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        self.section = section
        super().__init__(*args, **kwargs)


class Command(click.Command):
    """A command with examples; takes ``--debug`` and ``--verbose`` too, so that they may stand anywhere on the line.

    Args:
        examples: Lines to show as they are, each a command line that works, or a ``#`` comment.
        exit_codes: The same for exit codes that mean something of their own here.
    """

    def __init__(self, *args: Any, examples: str, exit_codes: str = "", **kwargs: Any) -> None:
        self.examples = textwrap.dedent(examples).strip()
        self.exit_codes = textwrap.dedent(exit_codes).strip()
        kwargs["context_settings"] = {**CONTEXT_SETTINGS, **kwargs.get("context_settings", {})}
        super().__init__(*args, **kwargs)
        self.params += global_options(hidden=True)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, one list a section; sections stand in the order of their first option."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if record:
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        names = [name for records in sections.values() for name, _ in records]
        column = max(len(name) for name in names if len(name) <= _NAME_COLUMN)
        for heading, records in sections.items():
            with formatter.section(heading):
                # Padded, so that the explanations of all sections begin in one column.
                formatter.write_dl([(f"{name:<{column}}", text) for name, text in records], col_max=_NAME_COLUMN)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and the exit codes where there are any to explain."""
        write_block(formatter, "Examples", self.examples)
        if self.exit_codes:
            write_block(formatter, "Exit codes", self.exit_codes)


def write_block(formatter: click.HelpFormatter, heading: str, text: str) -> None:
    """Write lines under a heading as they are, not wrapped."""
    with formatter.section(heading):
        for line in text.splitlines():
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n" if line else "\n")


def build_command(name: str, *, examples: str, **kwargs: Any) -> Callable[[F], Command]:
    """Like ``click.command``, for a ``Command``."""
    return click.command(name, cls=Command, examples=examples, **kwargs)


def option(*names: str, **kwargs: Any) -> Callable[[F], F]:
    """Like ``click.option``, for an ``Option``."""
    return click.option(*names, cls=Option, **kwargs)


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """Return ``--verbose`` and ``--debug``, which change the ``State``."""
    switch = functools.partial(
        click.Option, is_flag=True, expose_value=False, is_eager=True, callback=_switch, hidden=hidden
    )
    return [
        switch(["-v", "--verbose"], help="Say what is loaded, with bytes and seconds."),
        switch(["--debug"], help="Show tracebacks and debug messages."),
    ]


def _switch(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    state = ctx.ensure_object(State)
    if value and param.name is not None:
        setattr(state, param.name, True)
        logs.configure(verbose=state.verbose, debug=state.debug)
