"""A file mapped into memory, read-only."""

from __future__ import annotations

import mmap
import stat
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import WeightsNotFoundError

from .faults import damaged, unsupported

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class MappedFile:
    """The bytes of a file, paged in by the operating system when they are touched.

    Attributes:
        path: The file.
        size: Its length, bytes.
        buffer: Its bytes as a buffer; slicing copies.
        array: The same bytes, (size,) uint8, read-only; slicing does not copy. The mapping lives as long as any view.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Asked before opening: opening a pipe would wait for a writer for ever.
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise unsupported(path, "it is not a regular file", "Give the path of a .gguf or .safetensors file.")
            if status.st_size == 0:
                raise damaged(path, "the file is empty")
            with path.open("rb") as file:
                self.buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise WeightsNotFoundError(f"no checkpoint at {path}. Check the path.") from error
        except OSError as error:
            raise unsupported(
                path, f"it cannot be read: {error.strerror or error}", "Check the file and its permissions."
            ) from error
        self.size = len(self.buffer)
        self.array: NDArray[np.uint8] = np.frombuffer(self.buffer, dtype=np.uint8)
