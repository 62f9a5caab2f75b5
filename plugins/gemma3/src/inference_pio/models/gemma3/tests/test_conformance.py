"""Gemma 3 through all levels of conformance; the reference is transformers, on random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_pio.models.gemma3.config import Gemma3Config
from inference_pio.models.gemma3.fused_layers import PARITY_TOLERANCE
from inference_pio.models.gemma3.kv_cache import bytes_of_context
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.testing import CausalLMConformance, CausalLMVariant
from inference_pio.runtime.testing.inspection import caches_of
from inference_pio.runtime.testing.parity_contract import LOGITS_TOLERANCE
from inference_pio.runtime.testing.program_contract import interpreter_of
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


class TestConformance(CausalLMConformance):
    """Six sliding layers to one full one; the text is four windows long."""

    plugin_name = "gemma3"
    fused_tolerance = PARITY_TOLERANCE

    @classmethod
    def reference(cls) -> Any:
        from transformers import Gemma3ForCausalLM, Gemma3TextConfig

        return Gemma3ForCausalLM(Gemma3TextConfig(**SIZES))

    @pytest.mark.conformance("behaviour")
    def test_caches_take_the_bytes_that_kv_cache_says(self, model: CausalLMPlugin) -> None:
        assert isinstance(model.config, Gemma3Config)
        model.infer([5] * 128)  # the whole context
        assert sum(cache.n_bytes for cache in caches_of(model)) == bytes_of_context(model.config, 128)

    @pytest.mark.conformance("parity")
    def test_the_decode_program_caps_scores_as_the_modules_do(self, folder: Path, text: list[int]) -> None:
        plain = self.load(folder).infer(text)
        with self.load(folder, config_overrides={"attn_logit_softcapping": 2.0}) as model:
            expected = model.infer(text)
            logits = interpreter_of(model, folder).step(TokenBatch.of_sequence(text))
        assert np.abs(logits - expected).max() <= LOGITS_TOLERANCE < np.abs(logits - plain).max()


class TestScaled(CausalLMVariant):
    """As the larger sizes: full layers first here, one key head, rotary positions divided by eight; and biases."""

    plugin_name = "gemma3"
    fused_tolerance = PARITY_TOLERANCE

    @classmethod
    def reference(cls) -> Any:
        from transformers import Gemma3ForCausalLM, Gemma3TextConfig

        rotary = {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        }
        kinds = ["full_attention", "sliding_attention", "full_attention"]
        sizes = {
            **SIZES,
            "num_hidden_layers": 3,
            "num_key_value_heads": 1,
            "layer_types": kinds,
            "attention_bias": True,
        }
        return Gemma3ForCausalLM(Gemma3TextConfig(**sizes, rope_parameters=rotary))
