"""How much memory this process may use: the machine's, or less where a container's control group says so."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

GIGABYTE = 1_000_000_000
"""Bytes; manifests count in powers of ten."""


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


def _least(known: int | None, other: int) -> int:
    return other if known is None else min(known, other)


def _meminfo(path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for line in _text(path).splitlines():
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


def _group_limits(root: Path) -> list[tuple[int, int]]:
    """Return ``(limit, used)`` in bytes of every control group around this process that has a limit."""
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found += _limits_upwards(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            found += _limits_upwards(
                base, path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            )
    return found


def _limits_upwards(base: Path, path: str, limit_file: str, used_file: str, cache_key: str) -> list[tuple[int, int]]:
    """Read a group and its parents: the tightest counts.

    Inside a container the path may be the host's, which is not mounted; the base itself is then the container's group.
    """
    found = []
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        folder = base.joinpath(*parts[:depth])
        limit = _number(_text(folder / limit_file))
        if limit is None:  # no such folder, or "max"
            continue
        used = _number(_text(folder / used_file)) or 0
        found.append((limit, max(used - _stat(folder / "memory.stat", cache_key), 0)))
    return found


def _stat(path: Path, key: str) -> int:
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return _number(value) or 0
    return 0


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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
