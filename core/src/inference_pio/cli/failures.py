"""The one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import sys
import traceback

import click

from ..errors import InferencePioError
from .results import drop_standard_output
from .terminal import echo_error, is_terminal, note

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
PIPE_CLOSED = 141  # 128 + SIGPIPE

EXIT_CODES = (
    (0, "fine"),
    (1, "the operation failed"),
    (2, "wrong usage: an unknown command, model or option, or a value out of range"),
    (3, "a plugin is defective; its author must mend it"),
    (INTERRUPTED, "stopped by Ctrl-C"),
    (PIPE_CLOSED, "the reader of the output went away"),
)


def report(error: BaseException, *, debug: bool) -> int:
    """Tell the person what happened.

    Args:
        error: What ended the command.
        debug: Show the traceback too.

    Returns:
        The exit code of the process.
    """
    if isinstance(error, BrokenPipeError):
        drop_standard_output()
        return PIPE_CLOSED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        if is_terminal(sys.stderr):
            note("")  # the terminal has just printed ^C
        return INTERRUPTED
    if debug and not isinstance(error, click.ClickException):
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        return _report_click(error)
    if isinstance(error, InferencePioError):
        echo_error(str(error))
        return error.exit_code
    more = "" if debug else " (--debug shows the traceback)"
    echo_error(f"unexpected {type(error).__name__}: {_one_line(str(error))}{more}")
    return 1


def _report_click(error: click.ClickException) -> int:
    echo_error(error.format_message())
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        note(context.get_usage())
        note(f"Help: {context.command_path} --help")
    return error.exit_code


def _one_line(text: str) -> str:
    return " ".join(text.split())
