"""What a person sees: whether somebody is looking, colour, notes on standard error, JSON on standard output."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any, TextIO

import click


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads from or types into this stream."""
    return not stream.closed and stream.isatty()


def can_ask() -> bool:
    """Whether a question on standard error would be seen and could be answered."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def can_draw(stream: TextIO) -> bool:
    """Whether this stream can show things that move, such as a progress bar."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether colour belongs on this stream (see no-color.org)."""
    return can_draw(stream) and not os.environ.get("NO_COLOR")


def styled(text: str, stream: TextIO, **style: Any) -> str:
    """Return ``text`` in a style of ``click.style``, or as it is where colour does not belong."""
    return click.style(text, **style) if has_colour(stream) else text


def note(text: str, *, dim: bool = False) -> None:
    """Write a line for the person to standard error."""
    # Not click.echo: it writes past a progress bar that has put itself in the place of sys.stderr.
    print(styled(text, sys.stderr, dim=True) if dim else text, file=sys.stderr, flush=True)


def echo_error(message: str) -> None:
    """Write an error to standard error."""
    note(f"{styled('error:', sys.stderr, fg='red', bold=True)} {message}")


def write_json(data: Any, out: TextIO | None = None, *, one_line: bool = False) -> None:
    """Write one JSON document; ASCII only, so that no encoding of the stream can break it."""
    click.echo(json.dumps(data, indent=None if one_line else 2), file=out)


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns
