"""SmolLM2-135M-Instruct against transformers, on the dequantized checkpoint."""

from __future__ import annotations

import pytest

from inference_pio.models.smollm2.plugin import SmolLM2Plugin
from inference_pio.runtime.testing import CheckpointParity
from inference_pio.runtime.testing.reference import Reference

CONVERSATIONS = [
    [{"role": "user", "content": "Why is the sky blue?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi 👋"}],
    [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "  and at\nsunset?  "},
    ],
]


class TestCheckpoint(CheckpointParity):
    plugin_name = "smollm2"

    @pytest.mark.parametrize("messages", CONVERSATIONS)
    def test_chat_template_text_equals_transformers(
        self, model: SmolLM2Plugin, oracle: Reference, messages: list[dict[str, str]]
    ) -> None:
        theirs = oracle.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert model.apply_chat_template(messages) == theirs

    def test_answers_a_question_sensibly(self, model: SmolLM2Plugin) -> None:
        answer = model.generate("What is the capital of France? Answer in one word.", temperature=0, max_new_tokens=20)
        assert "Paris" in answer.text
        assert answer.finish_reason == "stop"
        assert "<|im_end|>" not in answer.text
