"""The runtime's lines in ``inference-pio doctor``. None of them imports torch."""

from __future__ import annotations

import os

from inference_pio.cores import usable_cores
from inference_pio.hookspecs import DoctorFinding


def check_cores() -> DoctorFinding:
    """CPU cores that models run on, against what the machine has."""
    usable, machine = usable_cores(), os.cpu_count() or 1
    forced = os.environ.get("OMP_NUM_THREADS")
    data = {"usable": usable, "machine": machine, "OMP_NUM_THREADS": forced}
    if usable < machine:
        return DoctorFinding(
            name="threads",
            status="warning",
            message=f"this process may use {usable} of {machine} cores",
            fix="Lift the CPU affinity (taskset) or the container's CPU set if that is not on purpose.",
            data=data,
        )
    return DoctorFinding(name="threads", status="ok", message=f"{usable} cores", data=data)
