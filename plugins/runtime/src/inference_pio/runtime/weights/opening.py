"""``open_checkpoint``: what a path is, and who reads it."""

from __future__ import annotations

from pathlib import Path

from .checkpoint import Checkpoint
from .faults import damaged
from .gguf_file import GgufFile, read_gguf


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint; nothing but headers is read."""
    return _open_gguf(Path(path))


def _open_gguf(path: Path) -> Checkpoint:
    file = read_gguf(path)
    return Checkpoint(
        path,
        format="gguf",
        architecture=_architecture(file),
        metadata=file.metadata,
        config=None,
        stored=file.tensors,
    )


def _architecture(file: GgufFile) -> str:
    architecture = file.metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise damaged(file.path, f"general.architecture is {architecture!r} where the name of one belongs")
    return architecture
