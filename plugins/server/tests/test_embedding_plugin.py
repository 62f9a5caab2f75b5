"""A model of somebody else's that turns texts into vectors is served by what the interface in core promises."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference_pio import BaseConfig, EmbeddingModelPlugin, LoadOptions
from inference_pio.errors import EmptyPromptError
from inference_pio.generation import Prompt
from inference_pio.hooks import HookCaller
from inference_pio.server.completions import Completions
from inference_pio.server.embeddings import Embeddings
from inference_pio.server.offers import EngineLimits, serve_plugin
from inference_pio.server.tokenizing import Detokenize, Tokenize

from .asking import ask, refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOWELS = "aeiou"
BEGIN = 256


class VowelPlugin(EmbeddingModelPlugin):
    """A text's vector says how often each vowel is in it; tokens are bytes, after a mark of the beginning."""

    name = "vowels"
    context = 20
    vocab_size = 257
    embedding_width = len(VOWELS)
    threads: set[int]

    def supports_config(self, config: Mapping[str, Any]) -> bool:
        return False

    def create_config(self, **overrides: Any) -> BaseConfig:
        return BaseConfig.from_dict(overrides)

    def load_model(self, options: LoadOptions | None = None, hooks: HookCaller | None = None) -> None:
        self.threads = set()

    def infer(self, inputs: Any) -> Any:
        return self.embed(inputs)

    def cleanup(self) -> None:
        pass

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [BEGIN] * add_special_tokens + list(text.encode())

    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        mark = b"" if skip_special_tokens else b"<s>"
        return b"".join(mark if token == BEGIN else bytes([token]) for token in token_ids).decode(errors="replace")

    def embed(self, inputs: Sequence[Prompt]) -> NDArray[np.float32]:
        self.threads.add(threading.get_ident())
        rows = []
        for each in inputs:
            text = each if isinstance(each, str) else self.detokenize(each)
            if not text:
                raise EmptyPromptError("a text has no tokens")
            row = np.array([text.count(vowel) for vowel in VOWELS], np.float32)
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows)


@pytest.fixture
def served() -> Any:
    plugin = VowelPlugin()
    plugin.load_model()
    model = serve_plugin(plugin, EngineLimits())
    assert model.can_embed
    return model


def test_its_vectors_come_over_the_protocol(served: Any) -> None:
    body = ask(Embeddings(), served, input=["papa", "tick", "pari"])
    first, second, third = (np.array(each["embedding"]) for each in body["data"])
    assert first.tolist() == [1, 0, 0, 0, 0]
    assert first @ second == 0
    assert first @ third == pytest.approx(0.5**0.5)
    assert body["model"] == "vowels"
    assert body["usage"]["prompt_tokens"] == 15  # four letters each, and the mark


def test_it_computes_apart_from_whoever_waits(served: Any) -> None:
    ask(Embeddings(), served, input="papa")
    assert threading.get_ident() not in served._plugin.threads


def test_what_it_cannot_do_is_refused(served: Any) -> None:
    assert refusal(Embeddings(), served, input="a" * 20).param == "input"
    assert refusal(Embeddings(), served, input="papa", dimensions=3).param == "dimensions"
    assert "writes none" in refusal(Completions(), served, prompt="papa").message


def test_its_tokens_can_be_looked_at(served: Any) -> None:
    tokens = ask(Tokenize(), served, prompt="pa")
    assert tokens == {"tokens": [BEGIN, 112, 97], "count": 3, "max_model_len": 20}
    assert ask(Detokenize(), served, tokens=[BEGIN, 112, 97]) == {"prompt": "<s>pa"}
