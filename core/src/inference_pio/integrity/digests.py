"""Hashes files: several at a time, whatever lies at their paths."""
# ruff: noqa: PTH123 - tens of thousands of paths; an object for each costs more than the hash of a small file

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..cores import usable_cores

_PIECE = 1 << 18
"""Bytes to read at a time: large enough that hashlib lets go of the interpreter, small enough for the CPU's cache."""

_THREADS_A_CORE = 2
"""One waits for the disk while the other computes: files that no cache holds yet are what takes long here."""


@dataclass(frozen=True)
class Digest:
    """What a file holds.

    Attributes:
        sha256: Hexadecimal.
        size: Bytes.
        recorded: The hash by the algorithm that RECORD uses, hexadecimal.
    """

    sha256: str
    size: int
    recorded: str


@dataclass(frozen=True)
class Unread:
    """A file that was not read.

    Attributes:
        code: ``file-missing`` or ``file-unreadable``.
        why: For people.
    """

    code: str
    why: str


def digest_files(
    wanted: Iterable[tuple[str, str]], progress: Callable[[int], None] | None = None
) -> list[Digest | Unread]:
    """Hash files; the result is in their order.

    Args:
        wanted: Absolute path, and the algorithm that RECORD uses; empty counts as sha256.
        progress: Called in this thread with the size of each file that is done, in bytes.
    """
    results: list[Digest | Unread] = []
    with ThreadPoolExecutor(usable_cores() * _THREADS_A_CORE, thread_name_prefix="digest") as pool:
        try:
            for result in pool.map(lambda item: digest_file(*item), wanted):
                results.append(result)
                if progress and isinstance(result, Digest):
                    progress(result.size)
        except BaseException:  # Ctrl-C: leaving the pool would otherwise wait for all that is still queued
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results


def digest_file(path: str, algorithm: str = "") -> Digest | Unread:
    """Hash one file; what cannot be read is a value."""
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Unread("file-unreadable", "is not a regular file")
            own = hashlib.sha256()
            other = own if algorithm in ("", "sha256") else hashlib.new(algorithm)
            size = 0
            while piece := file.read(_PIECE):
                size += len(piece)
                own.update(piece)
                if other is not own:
                    other.update(piece)
        return Digest(own.hexdigest(), size, other.hexdigest())
    except (FileNotFoundError, NotADirectoryError):
        return Unread("file-missing", "is missing")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return Unread("file-unreadable", f"cannot be read: {getattr(error, 'strerror', None) or error}")
