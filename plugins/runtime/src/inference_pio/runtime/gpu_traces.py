"""Whether this machine may have a GPU that torch could use, without importing torch, which takes seconds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

LINUX_TRACES = (
    "dev/nvidiactl",  # NVIDIA's driver
    "proc/driver/nvidia/version",
    "dev/nvhost-ctrl",  # Jetson boards
    "dev/kfd",  # AMD's ROCm
    "dev/dxg",  # Windows' driver, seen from its Linux subsystem
)
WINDOWS_TRACES = ("System32/nvcuda.dll", "System32/amdhip64.dll", "System32/amdhip64_6.dll", "System32/amdhip64_7.dll")


def may_have_gpu(root: Path = Path("/"), *, platform: str = sys.platform) -> bool:
    """Whether a driver of CUDA or ROCm has left a trace. Without one torch finds no GPU either; with one it may.

    Args:
        root: Where ``dev`` and ``proc`` are; another folder for tests.
        platform: As ``sys.platform`` names it.
    """
    if platform == "darwin":  # there is no driver for either
        return False
    if platform == "win32":
        folder = Path(os.environ.get("SYSTEMROOT", "C:/Windows"))
        return any((folder / trace).exists() for trace in WINDOWS_TRACES)
    return any((root / trace).exists() for trace in LINUX_TRACES)
