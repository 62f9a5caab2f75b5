"""How many cores models may use, and whether thread pools would start more threads than that."""

from __future__ import annotations

import os
import shlex

from ..cores import cpu_quota, usable_cores
from ..hookspecs import DoctorFinding

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def cores() -> DoctorFinding:
    """Usable cores against the machine's, and against what the variables of thread pools ask for."""
    usable, machine, quota = usable_cores(), os.cpu_count() or 1, cpu_quota()
    asked = {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}
    too_many = [name for name, text in asked.items() if _threads(text) > usable]
    message = f"{usable} of {machine} cores may be used" if usable < machine else f"{usable} cores"
    if quota is not None:
        message += f", quota of the control group {quota:g}"
    if too_many:
        wanted = ", ".join(f"{name}={asked[name]}" for name in too_many)
        message += f"; {wanted} asks for more threads than that, which then wait for each other"
    return DoctorFinding(
        code="threads-oversubscribed" if too_many else "cores",
        group="machine",
        name="threads",
        status="warning" if too_many else "ok",
        message=message,
        fix=f"unset {shlex.join(too_many)}, or set it to {usable}" if too_many else "",
        data={"usable": usable, "machine": machine, "quota": quota, "variables": asked},
    )


def _threads(text: str) -> int:
    """Return how many threads a variable asks for; OpenMP takes a list, one number a nesting level."""
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    return max(numbers, default=0)
