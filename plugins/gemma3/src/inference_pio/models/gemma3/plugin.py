"""The Gemma 3 plugin: what the runtime needs to know. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from inference_pio import BaseConfig, SamplingOptions
from inference_pio.runtime.causal_lm import CausalLMPlugin

from .config import Gemma3Config

if TYPE_CHECKING:
    from inference_pio.runtime.layers import Decoder
    from inference_pio.runtime.optimizations import Optimization
    from inference_pio.runtime.program import DecodeProgram
    from inference_pio.runtime.weight_map import WeightMap
    from inference_pio.runtime.weights import Checkpoint


class Gemma3Plugin(CausalLMPlugin):
    """Gemma 3 text models, pretrained and instruction-tuned."""

    model_types = frozenset({"gemma3_text"})
    gguf_architectures = frozenset({"gemma3"})
    sampling_defaults = SamplingOptions(temperature=1.0, top_k=64, top_p=0.95)  # the authors' recommendation

    def config_type(self) -> type[BaseConfig]:
        """See ``CausalLMPlugin``."""
        return Gemma3Config

    def gguf_config(self, checkpoint: Checkpoint) -> Gemma3Config:
        """See ``CausalLMPlugin``."""
        from .architecture.checkpoints import config_from_gguf

        return config_from_gguf(checkpoint)

    def weight_map(self, config: BaseConfig, format: str) -> WeightMap:
        """See ``CausalLMPlugin``."""
        from .architecture.checkpoints import build_weight_map

        return build_weight_map(cast("Gemma3Config", config), format)

    def build_model(self, config: BaseConfig) -> Decoder:
        """See ``CausalLMPlugin``."""
        from .model import build_gemma3

        return build_gemma3(cast("Gemma3Config", config))

    def decode_program(self, config: BaseConfig) -> DecodeProgram:
        """See ``CausalLMPlugin``."""
        from .fused_layers.program import build_program

        return build_program(cast("Gemma3Config", config))

    def optimizations(self) -> Sequence[Optimization]:
        """See ``CausalLMPlugin``."""
        from .specific_optimizations import OPTIMIZATIONS

        return OPTIMIZATIONS


def create_gemma3_plugin() -> Gemma3Plugin:
    """Return a new, unloaded plugin."""
    return Gemma3Plugin()
