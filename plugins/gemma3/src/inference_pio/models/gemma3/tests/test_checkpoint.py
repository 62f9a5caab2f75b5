"""Gemma 3 270M against transformers, on the dequantized checkpoint."""

from __future__ import annotations

import pytest

from inference_pio.errors import ChatTemplateError
from inference_pio.models.gemma3.plugin import Gemma3Plugin
from inference_pio.runtime.testing import CheckpointParity


class TestCheckpoint(CheckpointParity):
    plugin_name = "gemma3"
    text_length = 700  # crosses the window of 512 tokens

    def test_a_base_model_says_that_it_cannot_chat(self, model: Gemma3Plugin) -> None:
        with pytest.raises(ChatTemplateError, match="base model"):
            model.chat([{"role": "user", "content": "Hello"}])

    def test_a_string_is_continued(self, model: Gemma3Plugin) -> None:
        answer = model.generate("Monday, Tuesday, Wednesday,", temperature=0, max_new_tokens=4)
        assert answer.text.startswith(" Thursday, Friday")
