"""Disk space: asked for before a download, and understood when it ends during one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inference_pio.errors import DownloadError, WeightsError

if TYPE_CHECKING:
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MOVE = "Free some space, or set INFERENCE_PIO_CACHE_DIR to a folder on another disk."


def require_space(folder: Path, n_bytes: int) -> None:
    """Check for free space before anything is written.

    Args:
        folder: An existing folder on the disk in question.
        n_bytes: What will be needed at most at one time.

    Raises:
        DownloadError: There is less; the message has both numbers.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise DownloadError(f"the download needs {n_bytes} bytes on the disk of {folder} and {free} are free. {_MOVE}")


@contextmanager
def disk_errors(folder: Path, n_bytes: int | None = None) -> Iterator[None]:
    """Turn an ``OSError`` about the disk into a ``DownloadError`` that says what to do.

    Args:
        folder: The folder that is written to.
        n_bytes: What is needed, if known.
    """
    try:
        yield
    except WeightsError:
        raise
    except OSError as error:
        if is_disk_full(error):
            raise DownloadError(disk_full(folder, n_bytes)) from error
        raise DownloadError(
            f"the cache folder {folder} cannot be used: {error.strerror or error}. Check its permissions, or set "
            "INFERENCE_PIO_CACHE_DIR to another folder."
        ) from error


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that there is no space left, or no quota."""
    return isinstance(error, OSError) and error.errno in _FULL


def disk_full(folder: Path, n_bytes: int | None) -> str:
    """Return the message for a disk that is full."""
    needed = f"{n_bytes} bytes are needed" if n_bytes else "the download needs more"
    try:
        free = str(shutil.disk_usage(folder).free)
    except OSError:
        free = "no"
    return f"the disk of {folder} is full: {needed} and {free} bytes are free. {_MOVE}"
