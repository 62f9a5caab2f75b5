"""The folders that the host writes to: weights, and what it remembers."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from ..file_sizes import size_of
from ..hookspecs import DoctorFinding
from ..memory import GIGABYTE

LOW_DISK = 2 * GIGABYTE
"""Bytes; a download needs room for the package and for what is taken out of it, and small models have half of this."""


def cache(folder: Path) -> DoctorFinding:
    """How large the cache is, and whether downloads can get into it."""
    size = size_of(folder)
    is_writable = _is_writable(folder)
    return DoctorFinding(
        code="cache-folder" if is_writable else "cache-unwritable",
        group="storage",
        name="cache",
        status="ok" if is_writable else "error",
        message=f"{folder}, {size / 1e6:,.1f} MB" + ("" if is_writable else ", cannot be written to"),
        fix="" if is_writable else "Choose another folder: INFERENCE_PIO_CACHE_DIR=PATH",
        data={"path": str(folder), "bytes": size},
    )


def disk(folder: Path) -> DoctorFinding:
    """How much room the cache's disk has."""
    try:
        usage = shutil.disk_usage(_existing(folder))
    except OSError as error:
        return DoctorFinding(
            code="disk-unknown",
            group="storage",
            name="disk",
            status="warning",
            message=f"how much room there is for {folder} cannot be told: {error.strerror or error}",
            fix="Choose another folder: INFERENCE_PIO_CACHE_DIR=PATH",
            data={"free_bytes": None, "total_bytes": None},
        )
    is_low = usage.free < LOW_DISK
    return DoctorFinding(
        code="disk-low" if is_low else "disk-space",
        group="storage",
        name="disk",
        status="warning" if is_low else "ok",
        message=f"{usage.free / GIGABYTE:,.1f} of {usage.total / GIGABYTE:,.1f} GB free for the cache",
        fix="Free some, or choose another disk: INFERENCE_PIO_CACHE_DIR=PATH" if is_low else "",
        data={"free_bytes": usage.free, "total_bytes": usage.total},
    )


def state(folder: Path) -> DoctorFinding:
    """Whether the host can remember what was switched off and what failed."""
    is_writable = _is_writable(folder)
    return DoctorFinding(
        code="state-folder" if is_writable else "state-unwritable",
        group="storage",
        name="state",
        status="ok" if is_writable else "warning",
        message=f"{folder}"
        + ("" if is_writable else ", cannot be written to: enable and disable fail, failures are forgotten"),
        fix="" if is_writable else "Choose another folder: INFERENCE_PIO_STATE_DIR=PATH",
        data={"path": str(folder)},
    )


def _existing(folder: Path) -> Path:
    """Return the folder, or what is there of the way to it."""
    for path in (folder, *folder.absolute().parents):
        try:
            path.stat()
        except FileNotFoundError:
            continue
        return path
    return folder


def _is_writable(folder: Path) -> bool:
    """Whether a folder, or what is there of the way to it, can be written to."""
    try:
        path = _existing(folder)
        return stat.S_ISDIR(path.stat().st_mode) and os.access(path, os.W_OK)
    except OSError:  # a name too long, a file in the way, a folder that may not be looked into
        return False
