"""Opens a source distribution for checking: unpacked into a folder that goes away again, then a project like any."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .file_tree import MAX_SOURCE_BYTES, FileTree
from .findings import finding
from .folder_subject import open_folder
from .subject import Subject
from .wheel_archive import DAMAGE, leaves_folder

MAX_UNPACKED_BYTES = 500_000_000


@contextlib.contextmanager
def open_sdist(path: Path, target: str) -> Iterator[Subject]:
    """Yield a source distribution as a subject; one that cannot be unpacked is a subject with that finding."""
    with tempfile.TemporaryDirectory(prefix="inference-pio-check-") as name:
        try:
            _unpack(path, Path(name))
            (root,) = Path(name).iterdir()
        except (OSError, ValueError, tarfile.TarError, *DAMAGE) as error:
            unreadable = finding("target-unreadable", f"the archive cannot be unpacked: {error}", path.name)
            yield Subject(target, "sdist", FileTree({}), findings=(unreadable,))
            return
        yield open_folder(root, target, kind="sdist")


def _unpack(path: Path, folder: Path) -> None:
    """Unpack regular files of modest size; neither links nor devices, and nothing outside the folder."""
    total = 0
    with tarfile.open(path) as archive:
        for member in archive:
            if leaves_folder(member.name):
                raise ValueError(f"{member.name} leads out of the archive")
            if not member.isfile() or member.size > MAX_SOURCE_BYTES:
                continue
            total += member.size
            if total > MAX_UNPACKED_BYTES:
                raise ValueError(f"it holds more than {MAX_UNPACKED_BYTES} bytes")
            source = archive.extractfile(member)
            assert source is not None, "a regular file has content"
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
