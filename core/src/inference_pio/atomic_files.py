"""Files that are replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, and whoever looks after a crash, finds the old content or the new.

    An existing file keeps its permissions; a new one gets those that the umask leaves.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    # Nobody else's: in a shared folder a name that can be guessed may be a link that leads elsewhere, and processes of
    # two machines may have one number.
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
