"""Chooses for every weight of a program where it lies in the checkpoint, and how it will lie in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import NativeUnsupportedError
from .packing import exact_format, packed_bytes, source_of
from .stored_weights import StoredPart, WeightPlan
from .structures import GROUP

if TYPE_CHECKING:
    from inference_pio.runtime.weight_map import WeightMap
    from inference_pio.runtime.weights import Checkpoint

    from .structures import Format

PLAIN = frozenset({"F32", "F16", "BF16"})
"""Storage types that may be rounded to fewer bits; all others are kept exactly as they are."""


class Planner:
    """Answers what ``lower`` asks.

    Args:
        checkpoint: Opened.
        weight_map: The checkpoint's names and layouts in terms of the model's.
        sources: Checkpoint name by model name.
        rounding: Format that float weights are rounded to; ``None`` keeps every weight exactly.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        weight_map: WeightMap,
        sources: Mapping[str, str],
        rounding: Format | None = None,
    ) -> None:
        self.checkpoint, self.weight_map = checkpoint, weight_map
        self.sources, self.rounding = sources, rounding

    def stored(self, target: str) -> StoredPart:
        """Return where the weight of a name lies."""
        info = self.checkpoint.tensors[self.sources[target]]
        part = StoredPart(info.name, target, info.kind, info.shape[0], self.weight_map.transform(target))
        return part if part.is_raw else replace(part, kind="F32")

    def stack(self, parts: Sequence[StoredPart], columns: int) -> WeightPlan:
        """Return one weight of tensors of one storage type.

        Raises:
            NativeUnsupportedError: No kernel reads it.
        """
        kind, name = parts[0].kind, parts[0].source
        try:
            chosen = exact_format(source_of(kind))
            if self.rounding is not None and kind in PLAIN and columns % GROUP == 0:
                chosen = self.rounding
            n_bytes = packed_bytes(chosen, sum(part.rows for part in parts), columns)
        except NativeUnsupportedError as error:
            raise NativeUnsupportedError(f"tensor {name!r} is stored as {kind}: {error}") from error
        return WeightPlan(tuple(parts), columns, chosen, n_bytes)
