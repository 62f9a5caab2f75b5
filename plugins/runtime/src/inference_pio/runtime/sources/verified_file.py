"""A file that is hashed while it is written, and that cannot grow beyond what was promised."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING

from inference_pio.errors import CheckpointError, ChecksumError

from .disk import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inference_pio.manifest import WeightsEntry

COPY_BYTES = 1 << 20


class VerifiedFile:
    """Collects the bytes of one entry, part by part.

    Attributes:
        path: The file.
        size: Bytes so far.
    """

    def __init__(self, path: Path, entry: WeightsEntry) -> None:
        self.path = path
        self.size = 0
        self._entry = entry
        self._hash = hashlib.sha256()

    def append(self, stream: IO[bytes], progress: Callable[[int], None]) -> None:
        """Copy a stream to the end of the file.

        Args:
            stream: Read to its end.
            progress: Called with the size so far, bytes.

        Raises:
            ChecksumError: There are more bytes than the entry promises.
            DownloadError: The disk is full.
        """
        with disk_errors(self.path.parent, self._entry.size_bytes), self.path.open("ab") as file:
            while chunk := stream.read(COPY_BYTES):
                self._count(chunk)
                file.write(chunk)
                progress(self.size)

    def adopt(self, path: Path, progress: Callable[[int], None]) -> None:
        """Take a complete file that already lies on the same disk; it is read once and not copied."""
        with disk_errors(self.path.parent, self._entry.size_bytes):
            with path.open("rb") as file:
                while chunk := file.read(COPY_BYTES):
                    self._count(chunk)
                    progress(self.size)
            path.replace(self.path)

    def check(self) -> None:
        """Compare size and sha256 with what the entry promises.

        Raises:
            ChecksumError: They differ; the message has both.
        """
        promised = self._entry
        if promised.size_bytes is not None and self.size != promised.size_bytes:
            raise wrong_bytes(promised, f"{self.size} bytes arrived and {promised.size_bytes} were promised")
        if promised.sha256 is not None and self._hash.hexdigest() != promised.sha256:
            raise wrong_bytes(promised, f"their sha256 is {self._hash.hexdigest()}, promised is {promised.sha256}")

    def _count(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hash.update(chunk)
        limit = self._entry.size_bytes
        if limit is not None and self.size > limit:
            raise wrong_bytes(self._entry, f"more than the promised {limit} bytes arrived")


def check_local(path: Path, entry: WeightsEntry) -> None:
    """Compare a file of this machine with what its entry promises; the size first, since that costs nothing."""
    size = path.stat().st_size
    if entry.size_bytes is not None and size != entry.size_bytes:
        raise wrong_bytes(entry, f"{path} has {size} bytes and {entry.size_bytes} were promised")
    if entry.sha256 is None:
        return
    digest = _sha256(path)
    if digest != entry.sha256:
        raise wrong_bytes(entry, f"the sha256 of {path} is {digest}, promised is {entry.sha256}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(COPY_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise CheckpointError(
            f"weights {path} cannot be read: {error.strerror or error}. Check the file and its permissions."
        ) from error
    return digest.hexdigest()


def wrong_bytes(entry: WeightsEntry, fault: str) -> ChecksumError:
    """Return the error for bytes that are not the promised ones."""
    return ChecksumError(
        f"weights {entry.id!r} ({_shown(entry.source)}) are not the promised ones: {fault}. Nothing was kept. "
        "Try again; if it stays so, tell the plugin's author."
    )


def _shown(source: str | list[str]) -> str:
    return source if isinstance(source, str) else f"{source[0]} and {len(source) - 1} more"
