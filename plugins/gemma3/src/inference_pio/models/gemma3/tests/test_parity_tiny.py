"""Gemma 3 against transformers, on random weights."""

from __future__ import annotations

from typing import Any

from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from inference_pio.models.gemma3.plugin import create_gemma3_plugin
from inference_pio.runtime.testing import TinyContract
from inference_pio.runtime.testing.tiny_checkpoint import VOCAB_SIZE

SIZES: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "sliding_window": 12,
    "query_pre_attn_scalar": 24,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


class TestParityTiny(TinyContract):
    """Six sliding layers to one full one; the text is four windows long."""

    plugin_factory = staticmethod(create_gemma3_plugin)

    @classmethod
    def reference(cls) -> Any:
        return Gemma3ForCausalLM(Gemma3TextConfig(**SIZES))


class TestParityScaled(TinyContract):
    """As the larger sizes: full layers first here, one key head, and their rotary positions divided by eight."""

    plugin_factory = staticmethod(create_gemma3_plugin)

    @classmethod
    def reference(cls) -> Any:
        rotary = {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        }
        kinds = ["full_attention", "sliding_attention", "full_attention"]
        sizes = {**SIZES, "num_hidden_layers": 3, "num_key_value_heads": 1, "layer_types": kinds}
        return Gemma3ForCausalLM(Gemma3TextConfig(**sizes, rope_parameters=rotary))
