"""How much memory this process may use: the machine's, or less where a container's control group says so."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .control_groups import groups_around, read_number, read_text

GIGABYTE = 1_000_000_000
"""Bytes; manifests count in powers of ten."""

_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""By version of the control groups: the limit, what is used, and the part of it that can be had back at once."""


@dataclass(frozen=True)
class Memory:
    """Main memory in bytes; ``None`` where this platform does not say.

    Attributes:
        total: What this process could use if it were alone.
        available: What can be had now without swapping; page cache counts as available.
    """

    total: int | None
    available: int | None


def machine_memory(root: Path = Path("/")) -> Memory:
    """Return the memory this process may use.

    Args:
        root: Where ``proc`` and ``sys`` are; another folder for tests.
    """
    if sys.platform == "win32":
        return _windows_memory()
    meminfo = _meminfo(root / "proc/meminfo")
    memory = Memory(meminfo.get("MemTotal"), meminfo.get("MemAvailable"))
    if memory.total is None:
        memory = Memory(_physical_bytes(), None)
    for limit, used in _group_limits(root):
        memory = Memory(_least(memory.total, limit), _least(memory.available, max(limit - used, 0)))
    return memory


def group_limit(root: Path = Path("/")) -> int | None:
    """Return the tightest memory limit of the control groups around this process, bytes; ``None`` without one.

    Args:
        root: Where ``proc`` and ``sys`` are; another folder for tests.
    """
    return min((limit for limit, _ in _group_limits(root)), default=None)


def _least(known: int | None, other: int) -> int:
    return other if known is None else min(known, other)


def _meminfo(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for line in read_text(path).splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            sizes[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return sizes


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _group_limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield ``(limit, used)`` in bytes of every control group around this process that has a limit."""
    for group in groups_around(root, "memory"):
        limit_file, used_file, cache_key = _FILES[group.version]
        limit = read_number(group.folder / limit_file)
        if limit is None:  # no such folder, or "max"
            continue
        used = read_number(group.folder / used_file) or 0
        yield limit, max(used - _stat(group.folder / "memory.stat", cache_key), 0)


def _stat(path: Path, key: str) -> int:
    for line in read_text(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value) if value.isdigit() else 0
    return 0


def _windows_memory() -> Memory:
    import ctypes

    class Status(ctypes.Structure):
        """``MEMORYSTATUSEX`` of the Windows API."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong),
            ("others", ctypes.c_ulonglong * 5),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows only
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return Memory(None, None)
    return Memory(status.total, status.available)
