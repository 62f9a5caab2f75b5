"""How many CPU cores this process may use: the machine's, or less where an affinity mask or a container says so."""

from __future__ import annotations

import math
import os
from pathlib import Path

from .control_groups import Group, groups_around, read_number, read_text


def usable_cores() -> int:
    """CPU cores in this process's affinity mask, no more than its container's CPU quota allows, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPU time a second that the control groups around this process allow, in cores; ``None`` without a limit.

    Args:
        root: Where ``proc`` and ``sys`` are; another folder for tests.
    """
    quotas = [quota for group in groups_around(root, "cpu") if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def _quota(group: Group) -> float | None:
    if group.version == 2:  # "200000 100000", or "max 100000"
        words = read_text(group.folder / "cpu.max").split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            return None
        quota, period = int(words[0]), int(words[1])
        return quota / period if period else None
    allowed, every = (read_number(group.folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return allowed / every if allowed and every else None
