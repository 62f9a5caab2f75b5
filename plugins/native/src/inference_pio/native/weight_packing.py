"""Packs a checkpoint's stored rows into the weights that a program needs, and measures what rounding costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference_pio.runtime.weight_map import as_row_order

from .packing import pack, relative_error, source_of
from .planning import PLAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_pio.runtime.weights import Checkpoint

    from .stored_weights import StoredPart, VectorPlan, WeightPlan


class WeightPacker:
    """Packs weights of one checkpoint.

    Args:
        checkpoint: Opened.
        threads: Rows are packed by so many at once.

    Attributes:
        loss: Greatest relative error that rounding made in a weight so far; 0 where nothing was rounded.
    """

    def __init__(self, checkpoint: Checkpoint, *, threads: int) -> None:
        self.checkpoint, self.threads = checkpoint, threads
        self.loss = 0.0

    def weight(self, plan: WeightPlan) -> NDArray[np.uint8]:
        """Pack a weight, (n_bytes,) uint8, aligned."""
        parts = [(source_of(part.kind), self._rows(part)) for part in plan.parts]
        packed = pack(parts, plan.columns, format=plan.format, threads=self.threads)
        if plan.parts[0].kind in PLAIN and plan.format.name not in PLAIN:
            exact = np.concatenate([self._values(part) for part in plan.parts])
            self.loss = max(self.loss, relative_error(packed, exact))
        return packed.data

    def vector(self, plan: VectorPlan) -> NDArray[np.float32]:
        """Read a vector, its transforms applied."""
        return np.concatenate([self._values(part) for part in plan.parts])

    def _rows(self, part: StoredPart) -> NDArray[np.uint8]:
        """Stored rows as they are or in another order, or float32 rows where a transform needs numbers."""
        if not part.is_raw:
            return self._values(part).view(np.uint8)
        stored, order = self.checkpoint.raw(part.source), as_row_order(part.transform)
        return stored if order is None else stored[order.row_order(part.rows)]

    def _values(self, part: StoredPart) -> NDArray[np.float32]:
        values = self.checkpoint.read(part.source)
        return values if part.transform is None else np.ascontiguousarray(part.transform(values), np.float32)
