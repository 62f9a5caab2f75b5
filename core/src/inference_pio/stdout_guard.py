"""Keeps standard output clean while foreign code runs: it belongs to the answer, or to a program that reads JSON."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send everything that is written to standard output to standard error instead.

    Both ways are covered: ``print`` goes through ``sys.stdout``, compiled libraries write to file descriptor 1. Both
    are the whole process's, so other threads' output takes the same way for the time being.
    """
    with contextlib.redirect_stdout(sys.stderr), descriptor_one_to_two():
        yield


@contextlib.contextmanager
def descriptor_one_to_two() -> Iterator[int | None]:
    """Let file descriptor 1 lead to where 2 does.

    Yields:
        A descriptor of the real standard output; ``None`` where there is none, and then nothing is moved.
    """
    saved: int | None = None
    with contextlib.suppress(OSError, ValueError):  # no such descriptor: a daemon, or a window without a console
        _flush(sys.__stdout__)
        saved = os.dup(1)
        os.dup2(2, 1)
    try:
        yield saved
    finally:
        if saved is not None:
            with contextlib.suppress(OSError, ValueError):
                _flush(sys.__stdout__)  # text of those who kept the stream from before
            _flush_c_library()
            os.dup2(saved, 1)
            os.close(saved)


def _flush(stream: object) -> None:
    flush = getattr(stream, "flush", None)
    if flush is not None:
        flush()


def _flush_c_library() -> None:
    """Write out what compiled code has printed into the C library's own buffer; later it would end up in the answer."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):  # no handle on the program itself: Windows
        ctypes.CDLL(None).fflush(None)
