"""A lock between processes: whoever holds the file, the others wait. It ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def file_lock(path: Path, timeout_s: float = 10.0) -> Iterator[int]:
    """Hold a lock, and yield the descriptor of its file.

    Args:
        path: The lock's file; made where there is none, and left behind.
        timeout_s: Longest wait for another process, seconds.

    Raises:
        TimeoutError: Another process holds it all the time. An ``OSError``, as everything that can go wrong here.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout_s
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held {path} for {timeout_s:g} s")
            time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)  # gives the lock back


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            locking = getattr(msvcrt, "locking")  # noqa: B009 - type checkers elsewhere do not know it
            locking(descriptor, 2, 1)  # LK_NBLCK
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
