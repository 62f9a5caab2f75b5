"""Which tensor of a checkpoint is which weight of a model: nothing missing, nothing left over. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from inference_pio.errors import TensorMismatchError

if TYPE_CHECKING:
    from .weight_map import WeightMap
    from .weights import Checkpoint

NAMES_SHOWN = 8


def match_tensors(
    shapes: Mapping[str, tuple[int, ...]], checkpoint: Checkpoint, weight_map: WeightMap
) -> dict[str, str]:
    """Find the tensor of each weight, and check names and shapes.

    Args:
        shapes: Shape of every weight, by the model's name.
        checkpoint: Opened, tensors still on disk.
        weight_map: The checkpoint's names in terms of the model's.

    Returns:
        Checkpoint name to model name.

    Raises:
        TensorMismatchError: Tensors are missing, unexpected, or have a wrong shape; all of them are named.
    """
    sources: dict[str, str] = {}
    filled: set[str] = set()
    unexpected: list[str] = []
    for name in checkpoint.tensors:
        target = weight_map.target(name)
        if target is not None and target in shapes and target not in filled:
            sources[name] = target
            filled.add(target)
        elif not weight_map.is_ignored(name):
            unexpected.append(name)
    missing = sorted(weight_map.source(name) or name for name in set(shapes) - filled)
    wrong = [
        f"{source} is {checkpoint.tensors[source].shape}, expected {shapes[target]}"
        for source, target in sources.items()
        if checkpoint.tensors[source].shape != shapes[target]
    ]
    faults = [
        f"{len(names)} {kind}: {', '.join(names[:NAMES_SHOWN])}{' …' if len(names) > NAMES_SHOWN else ''}"
        for kind, names in (("missing", missing), ("unexpected", sorted(unexpected)), ("of a wrong shape", wrong))
        if names
    ]
    if faults:
        raise TensorMismatchError(
            f"{checkpoint.path} does not hold the tensors that this configuration needs: {'; '.join(faults)}. "
            "Is it the right checkpoint for this plugin?"
        )
    return sources
