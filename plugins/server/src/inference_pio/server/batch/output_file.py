"""The file of results: appended to line by line, and taken up again after a run that was ended in any way."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from inference_pio.errors import InferencePioError, UsageError
from inference_pio.file_lock import file_lock

from .line_numbers import LineNumbers
from .results import Written, id_prefix


class Output(Protocol):
    """Takes results."""

    def append(self, line: bytes) -> None:
        """Write a line, as a whole or not at all.

        Raises:
            InferencePioError: It cannot be written.
        """

    def sync(self) -> None:
        """Wait until everything is on the disk, where there is one; from any thread."""


class Stream:
    """Results to standard output."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def append(self, line: bytes) -> None:
        """See ``Output``."""
        self._stream.write(line)
        self._stream.flush()

    def sync(self) -> None:
        """See ``Output``; nothing to do."""


class OutputFile:
    """Results to a file.

    Args:
        path: For messages.
        descriptor: Open for writing.
        length: Where to go on, bytes.
        done: Lines that have a result already.
        failed: How many of these are errors.
    """

    def __init__(self, path: Path, descriptor: int, length: int, done: LineNumbers, failed: int) -> None:
        self.done, self.failed = done, failed
        self._path, self._descriptor, self._length = path, descriptor, length

    def append(self, line: bytes) -> None:
        """See ``Output``."""
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            with contextlib.suppress(OSError):  # the next run cuts it off, if this one cannot
                os.ftruncate(self._descriptor, self._length)
            raise _cannot_write(self._path, error) from error
        self._length += len(line)

    def sync(self) -> None:
        """See ``Output``."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _cannot_write(self._path, error) from error


@contextlib.contextmanager
def open_output(path: Path, run: str, lines: int) -> Iterator[OutputFile]:
    """Open a file of results, new or begun, and keep others from writing to it.

    Args:
        path: What another run has left behind after its last whole line is cut off.
        run: Whose results it may hold, as in ``id_prefix``.
        lines: How many lines there are to answer.

    Raises:
        UsageError: It holds something else, it cannot be written, or another run writes it.
    """
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise UsageError(f"{path} is not a regular file. To write to standard output give - in its place")
    with contextlib.ExitStack() as stack:
        try:
            path.touch()  # with the permissions that files have here; a lock's file is private
            descriptor = stack.enter_context(file_lock(path, timeout_s=0))
        except TimeoutError as error:
            raise UsageError(f"another run writes {path}. Wait for its end, or name another file") from error
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        with path.open("rb") as file:
            output = _take_up(path, file, descriptor, run, lines)
        yield output


def _take_up(path: Path, file: BinaryIO, descriptor: int, run: str, lines: int) -> OutputFile:
    done, failed, length = LineNumbers(lines), 0, 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            _require_torn(path, line, id_prefix(run))
            os.ftruncate(descriptor, length)
            break
        result = _read(path, number, line, run, lines)
        if not done.add(result[0]):
            raise _damaged(path, number, f"answers line {result[0]} once more")
        failed += result[1]
        length += len(line)
    os.lseek(descriptor, length, os.SEEK_SET)
    return OutputFile(path, descriptor, length, done, failed)


def _read(path: Path, number: int, line: bytes, run: str, lines: int) -> tuple[int, bool]:
    """Return which line of the input a result belongs to, and whether it is an error."""
    try:
        written = msgspec.json.decode(line, type=Written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path, number, "is no result of a batch") from error
    owner = written.owner()
    if owner is None:
        raise _damaged(path, number, "is no result of this program")
    if owner[0] != run or owner[1] > lines:
        raise UsageError(
            f"{path} holds results of another input, or of this one before it was changed. Move {path.name} away, or "
            "name another file for the results"
        )
    return owner[1], written.is_failed


def _require_torn(path: Path, line: bytes, prefix: str) -> None:
    """Cut off nothing that we have not begun to write: a line of this run, or what a power cut makes of one."""
    start = f'{{"id":"{prefix}'.encode()
    if not (line.startswith(start) or start.startswith(line) or not line.strip(b"\0")):
        raise UsageError(f"{path} holds something else than results. Move it away, or name another file")


def _damaged(path: Path, number: int, what: str) -> UsageError:
    return UsageError(
        f"line {number} of {path} {what}. Delete it (a line that is missing is answered again), or name another file "
        "for the results"
    )


def _cannot_write(path: Path, error: OSError) -> InferencePioError:
    return InferencePioError(
        f"cannot write {path}: {error.strerror}. What was written stays; once there is room, the same command goes on"
    )
