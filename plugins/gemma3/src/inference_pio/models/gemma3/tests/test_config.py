"""What a Gemma 3 ``config.json`` may say, and what it gets for it."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.errors import ConfigError
from inference_pio.models.gemma3.config import FULL, SLIDING, Gemma3Config

SIZES: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@pytest.mark.parametrize("key", ["sliding_window_pattern", "_sliding_window_pattern"])
def test_the_pattern_of_the_layers_is_read_under_both_of_its_names(key: str) -> None:
    assert Gemma3Config.from_hugging_face({**SIZES, key: 2}).layer_types == [SLIDING, FULL] * 2


def test_the_kinds_of_the_layers_have_the_last_word() -> None:
    kinds = [FULL] * 4
    config = Gemma3Config.from_hugging_face({**SIZES, "_sliding_window_pattern": 2, "layer_types": kinds})
    assert config.layer_types == kinds


@pytest.mark.parametrize("key", ["rope_interleaved", "use_bidirectional_attention"])
def test_what_would_change_the_numbers_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        Gemma3Config.from_hugging_face({**SIZES, key: True})
