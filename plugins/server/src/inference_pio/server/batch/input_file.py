"""Reads the lines of a file of requests, however long the file is, and tells this file from another by its digest."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from inference_pio.errors import UsageError

MAX_LINE_BYTES = 32 * 1024 * 1024
"""A longer line is not read; it gets an error line."""

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Survey:
    """What was found by reading a file once.

    Attributes:
        digest: Of its bytes, hexadecimal.
        size: Bytes.
        lines: Lines, blank ones too.
    """

    digest: str
    size: int
    lines: int


def open_input(path: Path) -> BinaryIO:
    """Open a file of requests.

    Raises:
        UsageError: There is no such file, it may not be read, or it is none that can be read twice.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UsageError(f"{path} is not a regular file. To read what a program writes: … | inference-pio batch - -")
    return file


def survey(file: BinaryIO) -> Survey:
    """Read a file once from its beginning to its end."""
    digest, size, lines, last = hashlib.sha256(), 0, 0, b"\n"
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        lines += chunk.count(b"\n")
        last = chunk[-1:]
    return Survey(digest.hexdigest(), size, lines + (last != b"\n"))


def read_lines(file: BinaryIO, size: int | None = None) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that are not blank with their numbers, from 1; ``None`` for one over ``MAX_LINE_BYTES``.

    Args:
        file: Read from where it stands.
        size: Bytes to read at most, so that what is added meanwhile is left alone; all there are if ``None``.
    """
    left = float("inf") if size is None else size
    for number in itertools.count(1):
        line = file.readline(int(min(MAX_LINE_BYTES + 1, left)))
        left -= len(line)
        if not line:
            return
        piece = line
        while len(line) > MAX_LINE_BYTES and piece and not piece.endswith(b"\n"):
            piece = file.readline(int(min(_CHUNK, left)))
            left -= len(piece)
        if len(line) > MAX_LINE_BYTES:
            yield number, None
        elif line.strip():
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
