"""Keeps standard output clean: the result and nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from ..stdout_guard import descriptor_one_to_two
from .terminal import is_terminal


@contextlib.contextmanager
def results_only() -> Iterator[TextIO]:
    """Yield the stream for results; whatever else is written to standard output meanwhile goes to standard error.

    The descriptor itself is moved, so that native libraries and child processes are caught too. On a terminal both
    streams end on the same screen and line editing needs descriptor 1, so nothing is moved there.

    The stream is UTF-8 without newline translation: what a program reads is the answer, byte for byte.
    """
    if is_terminal(sys.stdout) or not _is_descriptor(sys.stdout, 1):
        yield sys.stdout
        return
    with descriptor_one_to_two() as real:
        assert real is not None, "standard output is descriptor 1"
        with os.fdopen(real, "w", encoding="utf-8", errors="replace", newline="", closefd=False) as out:
            yield out


def open_standard_streams() -> None:
    """Give closed standard streams (``2>&-``) somewhere to write to, so that nothing else has to think of them.

    Otherwise the next file that anybody opens would become descriptor 2, and get the messages.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, descriptor)
            if nowhere != descriptor:
                os.close(nowhere)
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def drop_standard_output() -> None:
    """Send the rest of standard output nowhere: its reader has gone, and the interpreter's last flush must not fail."""
    if _is_descriptor(sys.stdout, 1):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)


def _is_descriptor(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (OSError, io.UnsupportedOperation):
        return False
