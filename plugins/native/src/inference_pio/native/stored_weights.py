"""Which bytes of a checkpoint become which weight of the engine: decided before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference_pio.runtime.weight_map import as_row_order

if TYPE_CHECKING:
    from inference_pio.runtime.weight_map import Transform

    from .structures import Format


@dataclass(frozen=True)
class StoredPart:
    """One tensor of a checkpoint, as a run of rows of a weight.

    Attributes:
        source: The checkpoint's name.
        target: The model's name.
        kind: Storage type that is packed: the checkpoint's, or ``F32`` where a transform needs numbers.
        rows: Number of rows.
        transform: What makes the model's layout of it.
    """

    source: str
    target: str
    kind: str
    rows: int
    transform: Transform | None

    @property
    def is_raw(self) -> bool:
        """Whether stored rows are packed as they are, at most in another order."""
        return self.transform is None or as_row_order(self.transform) is not None


@dataclass(frozen=True)
class WeightPlan:
    """A weight of the engine before it is packed: tensors stacked by rows, all in one format.

    Attributes:
        parts: From the first row on.
        columns: Width K of a row.
        format: How it will lie in memory.
        n_bytes: Size when packed.
    """

    parts: tuple[StoredPart, ...]
    columns: int
    format: Format
    n_bytes: int

    @property
    def rows(self) -> int:
        """Number of rows N."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True)
class VectorPlan:
    """Float32 vectors one after another: the factors of a norm, or the biases of a stack.

    Attributes:
        parts: From the first value on; ``rows`` are values.
    """

    parts: tuple[StoredPart, ...]

    @property
    def length(self) -> int:
        """Number of values."""
        return sum(part.rows for part in self.parts)
