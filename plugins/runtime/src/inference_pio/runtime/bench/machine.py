"""What a figure was measured on, in a few words."""

from __future__ import annotations

from inference_pio.cores import usable_cores
from inference_pio.doctor.processor import read_processor


def describe_machine() -> str:
    """Return the processor and the cores that this process may use: ``AMD EPYC, 2 cores``."""
    processor = read_processor()
    cores = usable_cores()
    return f"{processor.model or processor.machine}, {cores} core{'s' if cores != 1 else ''}"
