"""What a Llama ``config.json`` may say, and what it gets for it."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.errors import ConfigError
from inference_pio.models.smollm2.config import SmolLM2Config

SIZES: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


def test_what_llama_leaves_out_gets_llamas_defaults_and_not_smollm2s() -> None:
    config = SmolLM2Config.from_hugging_face(SIZES)
    assert (config.num_key_value_heads, config.max_position_embeddings, config.rope_theta) == (2, 2048, 10000.0)
    assert not config.tie_word_embeddings


def test_the_pairing_of_the_rotary_embedding_is_read_and_not_ignored() -> None:
    SmolLM2Config.from_hugging_face({**SIZES, "rope_interleaved": False})
    with pytest.raises(ConfigError, match="rope_interleaved"):
        SmolLM2Config.from_hugging_face({**SIZES, "rope_interleaved": True})
