"""The SmolLM2 plugin: what the runtime needs to know. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from inference_pio import BaseConfig, SamplingOptions
from inference_pio.runtime.causal_lm import CausalLMPlugin

from .config import SmolLM2Config

if TYPE_CHECKING:
    from inference_pio.runtime.layers import Decoder
    from inference_pio.runtime.optimizations import Optimization
    from inference_pio.runtime.program import DecodeProgram
    from inference_pio.runtime.weight_map import WeightMap
    from inference_pio.runtime.weights import Checkpoint


class SmolLM2Plugin(CausalLMPlugin):
    """SmolLM2 and other checkpoints of the Llama architecture."""

    model_types = frozenset({"llama"})
    gguf_architectures = frozenset({"llama"})
    sampling_defaults = SamplingOptions(temperature=0.2, top_p=0.9)  # the model card's recommendation

    def config_type(self) -> type[BaseConfig]:
        """See ``CausalLMPlugin``."""
        return SmolLM2Config

    def gguf_config(self, checkpoint: Checkpoint) -> SmolLM2Config:
        """See ``CausalLMPlugin``."""
        from .architecture.checkpoints import config_from_gguf

        return config_from_gguf(checkpoint)

    def weight_map(self, config: BaseConfig, format: str) -> WeightMap:
        """See ``CausalLMPlugin``."""
        from .architecture.checkpoints import build_weight_map

        return build_weight_map(cast("SmolLM2Config", config), format)

    def build_model(self, config: BaseConfig) -> Decoder:
        """See ``CausalLMPlugin``."""
        from .model import build_smollm2

        return build_smollm2(cast("SmolLM2Config", config))

    def decode_program(self, config: BaseConfig) -> DecodeProgram:
        """See ``CausalLMPlugin``."""
        from .fused_layers.program import build_program

        return build_program(cast("SmolLM2Config", config))

    def optimizations(self) -> Sequence[Optimization]:
        """See ``CausalLMPlugin``."""
        from .specific_optimizations import OPTIMIZATIONS

        return OPTIMIZATIONS


def create_smollm2_plugin() -> SmolLM2Plugin:
    """Return a new, unloaded plugin."""
    return SmolLM2Plugin()
