"""Looks inside a loaded model: the parts that a test may ask about."""

from __future__ import annotations

from ..caches import LayerCache
from ..causal_lm import CausalLMPlugin
from ..layers import Decoder, FusedLinear
from ..torch_executor import TorchExecutor


def decoder_of(model: CausalLMPlugin) -> Decoder:
    """Return the torch module of a loaded model."""
    executor = _torch_executor(model)
    assert executor.model is not None
    return executor.model


def caches_of(model: CausalLMPlugin) -> list[LayerCache]:
    """Return the KV caches of a loaded model, one a layer."""
    return _torch_executor(model).caches


def fused_products(model: CausalLMPlugin) -> list[bool]:
    """Return for each ``FusedLinear`` whether it is one product."""
    return [module.is_fused for module in decoder_of(model).modules() if isinstance(module, FusedLinear)]


def _torch_executor(model: CausalLMPlugin) -> TorchExecutor:
    assert model.engine is not None
    assert isinstance(model.engine.executor, TorchExecutor)
    return model.engine.executor
