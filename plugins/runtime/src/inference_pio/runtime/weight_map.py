"""``WeightMap``: a checkpoint's tensor names and layouts in terms of a model's. Plain data, without torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LAYER_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
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
        pattern, number = _numbered(name)
        target = self.names.get(pattern)
        return target if target is None or number is None else target.replace("{n}", number)

    def source(self, target: str) -> str | None:
        """Return the checkpoint's name for a model's tensor, the first one if there are several; for messages."""
        pattern, number = _numbered(target)
        name = next((theirs for theirs, ours in self.names.items() if ours == pattern), None)
        return name if name is None or number is None else name.replace("{n}", number)

    def transform(self, target: str) -> Transform | None:
        """Return the function that turns a checkpoint's tensor into the model's, if its layout differs."""
        return self.transforms.get(_numbered(target)[0])

    def is_ignored(self, name: str) -> bool:
        """Whether a tensor without a target is expected to be there."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


def _numbered(name: str) -> tuple[str, str | None]:
    """Replace the layer number of a name by ``{n}``; return the number beside it."""
    match = _LAYER_NUMBER.search(name)
    return (name, None) if match is None else (f"{name[: match.start()]}{{n}}{name[match.end() :]}", match.group())


@runtime_checkable
class RowOrder(Protocol):
    """A transform that only puts whole rows in another order: it holds for quantized rows as they are stored, too."""

    def row_order(self, rows: int) -> NDArray[np.int64]:
        """Return which stored row belongs in each of ``rows`` places, (rows,) int64."""


def as_row_order(transform: object) -> RowOrder | None:
    """Return a transform that only moves rows; ``None`` for one that computes, and where there is none."""
    return transform if isinstance(transform, RowOrder) else None


@dataclass(frozen=True)
class UnpermutedRotary:
    """What ``unpermute_rotary`` returns; a ``Transform`` and a ``RowOrder``."""

    heads: int

    def row_order(self, rows: int) -> NDArray[np.int64]:
        """See ``RowOrder``."""
        import numpy as np  # here, since this module is plain data for everybody else

        order: NDArray[np.int64] = np.arange(rows).reshape(self.heads, -1, 2).swapaxes(1, 2).reshape(-1)
        return order

    def __call__(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows in their own order."""
        reordered: NDArray[np.float32] = weight[self.row_order(len(weight))]
        return reordered


def unpermute_rotary(heads: int) -> UnpermutedRotary:
    """Undo the row order of query and key projections in GGUF files of the Llama family.

    They store the two elements of a rotary pair side by side (2i, 2i + 1); models here pair i with i + C/2, as the
    original checkpoints do.

    Args:
        heads: Heads in the projection; rows are (heads x C).
    """
    return UnpermutedRotary(heads)
