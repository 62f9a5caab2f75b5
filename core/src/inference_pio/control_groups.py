"""Control groups (cgroups): the folders in which a container's limits stand, on Linux."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Group(NamedTuple):
    """One control group around this process.

    Attributes:
        folder: Where its files are; need not exist.
        version: 1 or 2, which name their files differently.
    """

    folder: Path
    version: int


def groups_around(root: Path, controller: str) -> Iterator[Group]:
    """Yield the groups around this process and their parents; the tightest limit of all counts.

    Inside a container the path may be the host's, which is not mounted; the base itself is then the container's group.

    Args:
        root: Where ``proc`` and ``sys`` are.
        controller: ``memory`` or ``cpu``.
    """
    mount = root / "sys/fs/cgroup"
    for line in read_text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _upwards(mount, path, 2)
        elif controller in controllers.split(","):
            yield from _upwards(mount / controller, path, 1)


def _upwards(base: Path, path: str, version: int) -> Iterator[Group]:
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        yield Group(base.joinpath(*parts[:depth]), version)


def read_number(path: Path) -> int | None:
    """Return a whole number that is all a file holds; ``None`` for ``max``, ``-1``, anything else or no file."""
    text = read_text(path).strip()
    return int(text) if text.isdigit() else None


def read_text(path: Path) -> str:
    """Return a file's text; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
