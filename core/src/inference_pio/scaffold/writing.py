"""Files to a folder: all of them or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import InferencePioError, UsageError


def write_project(files: Mapping[str, str], folder: Path) -> None:
    """Write a plugin's files to a folder that does not exist yet.

    They are written beside it first and renamed at the end, so that nobody ever sees half a plugin.

    Args:
        files: Path with slashes to content.
        folder: To make; its parent must exist.

    Raises:
        UsageError: There is something of that name already; it is left as it is.
        InferencePioError: It cannot be written; nothing is left behind.
    """
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} exists already and is left as it is. Choose another name or --into, or move it away"
        )
    try:
        _write_and_rename(files, folder)
    except OSError as error:
        raise InferencePioError(f"{folder} cannot be written: {error}. Nothing was left behind") from error


def _write_and_rename(files: Mapping[str, str], folder: Path) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # One level below: mkdtemp's own folder may be read by nobody else, and a plugin's folder is none of its kind.
        whole = temporary / folder.name
        for path, content in files.items():
            file = whole / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8", newline="\n")
        whole.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
