"""Build a ``TorchExecutor`` for a model and a checkpoint."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from inference_pio.cores import usable_cores

from .optimizations import apply_optimizations
from .torch_executor import TorchExecutor, choose_dtype, open_device
from .weight_loading import build_empty, load_weights

if TYPE_CHECKING:
    from inference_pio.hookspecs import ExecutorRequest

    from .causal_lm import CausalLMPlugin
    from .layers import Decoder

logger = logging.getLogger(__name__)


def build_torch_executor(request: ExecutorRequest) -> TorchExecutor:
    """Build the model, fill it from the checkpoint, and wrap it.

    Raises:
        InvalidOptionError: Device, dtype or an optimization's name is not usable.
        TensorMismatchError: The checkpoint does not hold what the configuration needs.
    """
    plugin = cast("CausalLMPlugin", request.plugin)
    options, config = request.options, request.config
    device = open_device(request.device)
    dtype = choose_dtype(options.dtype, device)
    model = cast("Decoder", build_empty(lambda: plugin.build_model(config), device=device, dtype=dtype))
    applied = apply_optimizations(model, plugin.optimizations(), options.disabled_optimizations, config)
    logger.debug("%s: optimizations applied: %s", request.plugin_name, ", ".join(applied) or "none")
    threads = options.threads or usable_cores()
    weight_map = plugin.weight_map(config, request.checkpoint.format)
    load_weights(model, request.checkpoint, weight_map, threads=threads, progress=options.progress)
    return TorchExecutor(
        model, vocab_size=config.vocab_size, max_context=config.max_position_embeddings, threads=threads
    )
