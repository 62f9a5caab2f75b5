"""How much a file or folder takes."""

from __future__ import annotations

import os
from pathlib import Path


def size_of(path: Path) -> int:
    """Return the bytes in a file, or in all files below a folder, some of which may vanish meanwhile; 0 for nothing."""
    if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        return _size(path)
    return sum(_size(f"{place}/{name}") for place, _, names in os.walk(path) for name in names)


def _size(path: Path | str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - os.walk gives strings, and a cache may hold many files
    except OSError:  # gone meanwhile
        return 0
