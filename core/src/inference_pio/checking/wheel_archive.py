"""A wheel as an archive: its members, its ``.dist-info``, and what an unpacker must beware of."""

from __future__ import annotations

import functools
import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from .file_tree import Reader

MAX_METADATA_BYTES = 10_000_000
"""Of one file of the ``.dist-info``; a RECORD of ten thousand files has one."""

DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError)
"""What reading a member raises when it is broken, encrypted, or packed in a way that this Python does not know."""

_PIECE = 1 << 20


@dataclass(frozen=True, eq=False)
class WheelArchive:
    """An opened wheel.

    Attributes:
        path: The file.
        archive: Its open archive.
    """

    path: Path
    archive: zipfile.ZipFile

    @functools.cached_property
    def names(self) -> list[str]:
        """All members that are files, as they stand in the archive."""
        return [info.filename for info in self.archive.infolist() if not info.is_dir()]

    @functools.cached_property
    def dist_info(self) -> str:
        """Name of the ``.dist-info`` folder; empty when there is not exactly one."""
        tops = {name.split("/", 1)[0] for name in self.names if "/" in name}
        found = [top for top in tops if top.endswith(".dist-info")]
        return found[0] if len(found) == 1 else ""

    @property
    def code_names(self) -> list[str]:
        """Members that become importable files or data, without ``.dist-info`` and ``.data``."""
        return [n for n in self.names if not n.split("/", 1)[0].endswith((".dist-info", ".data"))]

    def metadata_files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files of the ``.dist-info``: name in it, content; what is too large or damaged is left out."""
        for name in self.names if self.dist_info else ():
            if name.startswith(f"{self.dist_info}/"):
                try:
                    data = self.read(name, MAX_METADATA_BYTES + 1)
                except (OSError, ValueError):
                    continue
                if len(data) <= MAX_METADATA_BYTES:
                    yield name.partition("/")[2], data

    def read(self, name: str, limit: int) -> bytes:
        """Read at most ``limit`` bytes of a member.

        Raises:
            ValueError: The archive is damaged there, or it is encrypted or packed in a way nobody knows.
        """
        try:
            with self.archive.open(name) as member:
                return member.read(limit)
        except DAMAGE as error:
            raise ValueError(f"{name} is damaged: {error}") from error

    def reader(self, name: str) -> Reader:
        """Return what reads one member."""
        return functools.partial(self.read, name)

    def digest(self, name: str, algorithm: str) -> bytes:
        """Hash a member piece by piece.

        Raises:
            ValueError: As ``read``; or there is no such algorithm.
        """
        hashed = hashlib.new(algorithm)
        try:
            with self.archive.open(name) as member:
                while piece := member.read(_PIECE):
                    hashed.update(piece)
        except DAMAGE as error:
            raise ValueError(f"{name} is damaged: {error}") from error
        return hashed.digest()


def leaves_folder(name: str) -> bool:
    """Whether unpacking a member under this name would write outside the folder that it is unpacked into."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.drive or windows.root) or ".." in (*posix.parts, *windows.parts)
