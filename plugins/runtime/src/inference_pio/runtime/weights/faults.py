"""How the reader says that a checkpoint is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path


def damaged(path: Path, fault: str) -> CheckpointError:
    """Return the error for a file whose bytes cannot be right."""
    return CheckpointError(
        f"checkpoint {path} cannot be used: {fault}. The file is damaged or incomplete; delete it and fetch it again: "
        "inference-pio pull NAME"
    )


def unsupported(path: Path, fault: str, remedy: str) -> CheckpointError:
    """Return the error for a file that may be sound but that we do not read; ``remedy`` is a full sentence."""
    return CheckpointError(f"checkpoint {path} cannot be used: {fault}. {remedy}")
