"""``WeightMap``: a checkpoint's tensor names and layouts in terms of a model's. Plain data, without torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Transform = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]


@dataclass(frozen=True, kw_only=True)
class WeightMap:
    """Names and layouts.

    Attributes:
        names: Checkpoint name to model name; ``{n}`` stands for the layer number on both sides.
        transforms: Model name (with ``{n}``) to a function on the dequantized tensor, for layouts that differ.
        ignored: Regular expressions of checkpoint names that hold nothing the model computes with.
    """

    names: Mapping[str, str]
    transforms: Mapping[str, Transform] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def target(self, name: str) -> str | None:
        """Return the model's name for a checkpoint's tensor, or ``None``."""
        match = re.search(r"(?<=\.)\d+(?=\.)", name)
        pattern = name if match is None else f"{name[: match.start()]}{{n}}{name[match.end() :]}"
        target = self.names.get(pattern)
        return target if target is None or match is None else target.replace("{n}", match.group())

    def is_ignored(self, name: str) -> bool:
        """Whether a tensor without a target is expected to be there."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


def unpermute_rotary(heads: int) -> Transform:
    """Undo the row order of query and key projections in GGUF files of the Llama family.

    They store the two elements of a rotary pair side by side (2i, 2i + 1); models here pair i with i + C/2, as the
    original checkpoints do.

    Args:
        heads: Heads in the projection; rows are (heads x C).
    """

    def transform(weight: NDArray[np.float32]) -> NDArray[np.float32]:
        pairs = weight.shape[0] // heads // 2
        shape = (heads, pairs, 2, *weight.shape[1:])
        return weight.reshape(shape).swapaxes(1, 2).reshape(weight.shape)

    return transform
