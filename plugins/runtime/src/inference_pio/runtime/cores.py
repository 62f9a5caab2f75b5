"""How many CPU cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """CPU cores in this process's affinity mask, no more than its container's CPU quota allows, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(root: Path = CGROUP) -> float | None:
    """CPU time a second that the control group may use, in cores; ``None`` without a limit.

    Args:
        root: Where control groups are mounted; a container sees its own there.
    """
    try:
        if (root / "cpu.max").exists():  # version 2: "200000 100000", or "max 100000"
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):
        return None
