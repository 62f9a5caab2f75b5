"""Keeps standard output clean: the result and nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from .terminal import is_terminal


@contextlib.contextmanager
def results_only() -> Iterator[TextIO]:
    """Yield the stream for results; whatever else is written to standard output meanwhile goes to standard error.

    The descriptor itself is moved, so that native libraries and child processes are caught too. On a terminal both
    streams end on the same screen and line editing needs descriptor 1, so nothing is moved there.

    The stream is UTF-8 without newline translation: what a program reads is the answer, byte for byte.
    """
    if sys.stdout is None:  # closed by whoever started us
        with Path(os.devnull).open("w") as nowhere:
            yield nowhere
        return
    if is_terminal(sys.stdout) or not _is_descriptor(sys.stdout, 1):
        yield sys.stdout
        return
    sys.stdout.flush()
    kept = os.dup(1)
    _redirect(1, to=2)
    out = os.fdopen(kept, "w", encoding="utf-8", errors="replace", newline="")
    try:
        yield out
    finally:
        with contextlib.suppress(OSError):  # a closed standard error must not cost the answer
            sys.stdout.flush()
        os.dup2(kept, 1)
        out.close()


def drop_standard_output() -> None:
    """Send the rest of standard output nowhere: its reader has gone, and the interpreter's last flush must not fail."""
    if sys.stdout is not None and _is_descriptor(sys.stdout, 1):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)


def _is_descriptor(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (OSError, io.UnsupportedOperation):
        return False


def _redirect(descriptor: int, *, to: int) -> None:
    try:
        os.dup2(to, descriptor)
    except OSError:  # ``to`` is closed
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, descriptor)
        os.close(devnull)
