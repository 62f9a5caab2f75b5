"""A checkpoint in memory, with as much of the interface of a real one as loading uses."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MemoryCheckpoint:
    def __init__(
        self, arrays: dict[str, NDArray[np.float32]] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.arrays = arrays or {}
        self.metadata = metadata or {}
        self.architecture, self.format, self.path = "tiny", "gguf", Path("tiny.gguf")
        self.reads: list[str] = []
        self.seconds_a_read = 0.0
        self.broken: set[str] = set()
        self._lock = threading.Lock()

    @property
    def tensors(self) -> dict[str, Any]:
        return {name: SimpleNamespace(shape=a.shape, n_bytes=a.nbytes) for name, a in self.arrays.items()}

    def read(self, name: str, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        with self._lock:
            self.reads.append(name)
        time.sleep(self.seconds_a_read)
        if name in self.broken:
            raise OSError(f"cannot read {name}")
        values: NDArray[np.float32] = self.arrays[name].copy()
        if out is not None:
            out[...] = values
        return values


@pytest.fixture
def new_checkpoint() -> type[MemoryCheckpoint]:
    return MemoryCheckpoint
