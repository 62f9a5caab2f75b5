"""From a checkpoint's tensors to a model's parameters: names mapped by tables, nothing missing, nothing left over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch

from inference_pio.generation import ProgressCallback, ProgressEvent

from .layers.linear import FusedLinear
from .layers.norm import RMSNorm
from .weight_matching import match_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .weight_map import Transform, WeightMap
    from .weights import Checkpoint

logger = logging.getLogger(__name__)


def build_empty(build: Callable[[], nn.Module], *, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Build a module whose parameters have their final place but no values yet."""
    with torch.device("meta"):
        module = build().to(dtype)
    for part in module.modules():
        if isinstance(part, RMSNorm):
            part.float()  # they compute in float32, and a factor near 1 has no digits to spare
    return module.to_empty(device=device)


def weight_targets(model: nn.Module) -> dict[str, Tensor]:
    """Return every tensor to fill, by name; the projections of a ``FusedLinear`` appear one by one, as views."""
    targets: dict[str, Tensor] = {}
    for prefix, module in model.named_modules():
        if isinstance(module, FusedLinear):
            parent = prefix.rpartition(".")[0]
            targets |= {f"{parent}.{name}" if parent else name: view for name, view in module.parts().items()}
        else:
            for name, parameter in module.named_parameters(recurse=False):
                targets[f"{prefix}.{name}" if prefix else name] = parameter.detach()
    return targets


def load_weights(
    model: nn.Module,
    checkpoint: Checkpoint,
    weight_map: WeightMap,
    *,
    threads: int = 2,
    progress: ProgressCallback | None = None,
) -> None:
    """Fill a model from a checkpoint, dequantizing straight into its parameters.

    Args:
        model: From ``build_empty``.
        checkpoint: Opened, tensors still on disk.
        weight_map: The checkpoint's names and layouts in terms of the model's.
        threads: Tensors read at once.
        progress: Called after each tensor.

    Raises:
        TensorMismatchError: Tensors are missing, unexpected, or have a wrong shape; nothing was filled.
    """
    started = time.perf_counter()
    targets = weight_targets(model)
    sources = match_tensors({name: tuple(target.shape) for name, target in targets.items()}, checkpoint, weight_map)
    total = sum(checkpoint.tensors[name].n_bytes for name in sources)
    done = 0
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        futures = [
            pool.submit(_fill, targets[target], checkpoint, source, weight_map.transform(target))
            for source, target in sources.items()
        ]
        for source, future in zip(sources, futures, strict=True):
            future.result()
            done += checkpoint.tensors[source].n_bytes
            if progress:
                progress(ProgressEvent(stage="load", done=done, total=total, unit="bytes", label=checkpoint.path.name))
    finally:  # after an error or Ctrl-C nobody wants to wait for the tensors that are still queued
        pool.shutdown(cancel_futures=True)
    logger.info("loaded %s: %d bytes in %.2f s", checkpoint.path.name, total, time.perf_counter() - started)


def _fill(target: Tensor, checkpoint: Checkpoint, source: str, transform: Transform | None) -> None:
    is_direct = target.device.type == "cpu" and target.dtype is torch.float32 and target.is_contiguous()
    if is_direct and transform is None:
        checkpoint.read(source, out=target.numpy())
        return
    values = checkpoint.read(source)
    if transform is not None:
        values = transform(values)
    target.copy_(torch.from_numpy(np.ascontiguousarray(values)))
