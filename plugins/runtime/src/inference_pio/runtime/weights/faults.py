"""How the reader says that a checkpoint is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path


def damaged(path: Path, fault: str) -> CheckpointError:
    """Return the error for a file whose bytes cannot be right."""
    end = "" if fault.endswith("?") else "."
    return CheckpointError(
        f"checkpoint {path} cannot be used: {fault}{end} The file is damaged or incomplete; delete it and fetch it "
        "again, with inference-pio pull NAME if it came from there"
    )


def unsupported(path: Path, fault: str, remedy: str) -> CheckpointError:
    """Return the error for a file that may be sound but that we do not read; ``remedy`` is a full sentence."""
    return CheckpointError(f"checkpoint {path} cannot be used: {fault}. {remedy}")
