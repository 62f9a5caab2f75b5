"""SmolLM2 through all levels of conformance; the reference is transformers' Llama, on random weights."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.models.smollm2.config import SmolLM2Config
from inference_pio.models.smollm2.fused_layers import PARITY_TOLERANCE
from inference_pio.models.smollm2.kv_cache import bytes_per_token
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.testing import CausalLMConformance, CausalLMVariant
from inference_pio.runtime.testing.inspection import caches_of
from inference_pio.runtime.testing.tiny_checkpoint import VOCAB_SIZE

SIZES: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


class TestConformance(CausalLMConformance):
    """As SmolLM2-135M: head and embedding tied, no biases."""

    plugin_name = "smollm2"
    fused_tolerance = PARITY_TOLERANCE

    @classmethod
    def reference(cls) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM

        return LlamaForCausalLM(
            LlamaConfig(**SIZES, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e5})
        )

    @pytest.mark.conformance("behaviour")
    def test_caches_take_the_bytes_that_kv_cache_says(self, model: CausalLMPlugin) -> None:
        assert isinstance(model.config, SmolLM2Config)
        model.infer([5] * 128)  # the whole context
        assert sum(cache.n_bytes for cache in caches_of(model)) == bytes_per_token(model.config) * 128


class TestUntied(CausalLMVariant):
    """As larger relatives: a head of its own, biases, a head width that is not D / H, Llama 3's rotary scaling."""

    plugin_name = "smollm2"
    fused_tolerance = PARITY_TOLERANCE

    @classmethod
    def reference(cls) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM

        scaling = {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        }
        return LlamaForCausalLM(
            LlamaConfig(
                **SIZES,
                tie_word_embeddings=False,
                attention_bias=True,
                mlp_bias=True,
                head_dim=16,
                rope_parameters=scaling,
            )
        )
