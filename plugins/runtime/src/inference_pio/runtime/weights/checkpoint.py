"""``Checkpoint``: named tensors on disk, whatever the file format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inference_pio.errors import NotLoadedError, TensorMismatchError

from .dequantize import dequantize_into

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from typing_extensions import Self


@dataclass(frozen=True)
class TensorInfo:
    """What is known of a tensor without reading it.

    Attributes:
        name: As the file spells it.
        shape: Row-major, as torch has it; GGUF's own order is the reverse.
        kind: Storage type: ``F32``, ``BF16``, ``Q4_K``.
        n_bytes: Size in the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    n_bytes: int

    @property
    def rows(self) -> int:
        """Number of rows: the product of all dimensions but the last, 1 for a vector or scalar."""
        return math.prod(self.shape[:-1])


@dataclass(frozen=True)
class StoredTensor:
    """A tensor's description and its bytes, (n_bytes,) uint8, mapped and read-only."""

    info: TensorInfo
    data: NDArray[np.uint8]


class Checkpoint:
    """An open checkpoint; tensors stay on disk until they are read. Safe to read from several threads.

    Attributes:
        path: The file or folder that was opened.
        format: ``gguf`` or ``safetensors``.
        architecture: ``general.architecture`` of a GGUF file, ``model_type`` of a ``config.json``.
        metadata: Key-values of a GGUF file, arrays as lists; empty for safetensors.
        config: Content of ``config.json``; ``None`` for GGUF.
        tensors: What the checkpoint holds, by name.
    """

    def __init__(
        self,
        path: Path,
        *,
        format: Literal["gguf", "safetensors"],
        architecture: str,
        metadata: Mapping[str, Any],
        config: Mapping[str, Any] | None,
        stored: Mapping[str, StoredTensor],
    ) -> None:
        self.path = path
        self.format = format
        self.architecture = architecture
        self.metadata = metadata
        self.config = config
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType({name: item.info for name, item in stored.items()})
        self._stored: Mapping[str, StoredTensor] | None = stored

    def read(self, name: str, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Read one tensor as float32.

        Args:
            name: A key of ``tensors``.
            out: Where to put it, of the tensor's shape, float32; overwritten. May be a view of a larger array.

        Returns:
            ``out``, or a new array when there is none.

        Raises:
            TensorMismatchError: No tensor has this name, or ``out`` has another shape.
            CheckpointError: The installed gguf cannot dequantize the tensor's type.
        """
        stored = self._find(name)
        if out is None:
            out = np.empty(stored.info.shape, dtype=np.float32)
        elif out.shape != stored.info.shape:
            raise TensorMismatchError(
                f"tensor {name!r} of {self.path} has shape {stored.info.shape} and was asked for as {out.shape}"
            )
        elif out.dtype != np.float32:
            raise TypeError(f"a tensor is read into float32, not {out.dtype}")
        dequantize_into(stored.data, stored.info.kind, out, source=self.path)
        return out

    def raw(self, name: str) -> NDArray[np.uint8]:
        """Return one tensor's stored bytes, (rows, bytes per row) uint8, memory-mapped and read-only.

        Raises:
            TensorMismatchError: No tensor has this name.
        """
        stored = self._find(name)
        rows = stored.info.rows
        return stored.data.reshape(rows, stored.info.n_bytes // rows if rows else 0)

    def close(self) -> None:
        """Let go of the files; a mapping ends with the last array that ``raw`` gave out. Safe to call twice."""
        self._stored = None

    def _find(self, name: str) -> StoredTensor:
        if self._stored is None:
            raise NotLoadedError(f"checkpoint {self.path} is closed. Open it again: open_checkpoint(path)")
        try:
            return self._stored[name]
        except KeyError:
            raise TensorMismatchError(
                f"checkpoint {self.path} has no tensor {name!r}; it holds {len(self._stored)} others. "
                "Is it a checkpoint of this architecture?"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Checkpoint {self.path} ({self.format}, {self.architecture}, {len(self.tensors)} tensors)>"
