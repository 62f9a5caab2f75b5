"""A model that says what it is told to: an executor with a script behind a real engine, and a vocabulary of letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference_pio.errors import TokenizerError
from inference_pio.generation import SamplingOptions
from inference_pio.hooks import HookCaller
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.engine import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_pio import BaseConfig
    from inference_pio.runtime.batch import TokenBatch

LETTERS = "\0\1\2abcdefghijklmnopqrstuvwxyz äé🙂."
"""Token n is character n; 0 begins a text, 1 ends it, 2 ends a turn."""


class ScriptExecutor:
    """After a prompt, says its script character by character, then the end-of-text token for ever."""

    def __init__(self) -> None:
        self.name, self.vocab_size, self.max_context, self.max_rewind = "script", len(LETTERS), 60, 16
        self.scripts: dict[str, str] = {}
        self.texts: dict[int, list[int]] = {}
        self.on_step: Callable[[], None] = lambda: None
        self.closed = False

    def allocate(self, slots: int, context: int) -> None:
        pass

    def step(self, batch: TokenBatch) -> NDArray[np.float32]:
        self.on_step()
        said = []
        columns = (batch.tokens.tolist(), batch.slots.tolist(), batch.positions.tolist())
        for token, slot, position in zip(*columns, strict=True):
            text = self.texts.setdefault(slot, [])
            del text[position:]
            text.append(token)
            said.append("".join(LETTERS[token] for token in text))
        logits = np.zeros((len(batch.logit_rows), self.vocab_size), np.float32)
        for place, row in enumerate(batch.logit_rows.tolist()):
            logits[place, self._next(said[row])] = 50
        return logits

    def _next(self, text: str) -> int:
        for prompt, script in self.scripts.items():
            head, _, said = text.partition(prompt)
            if text.startswith(head + prompt) and script.startswith(said) and len(said) < len(script):
                return LETTERS.index(script[len(said)])
        return 1

    def free(self, slot: int) -> None:
        self.texts.pop(slot, None)

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        return sum(lengths)

    def close(self) -> None:
        self.closed = True


class LetterStream:
    """Holds one vowel back, as a vocabulary does whose characters may be incomplete."""

    def __init__(self) -> None:
        self.held = ""

    def push(self, token_id: int) -> str:
        text, self.held = self.held + LETTERS[token_id], ""
        if text[-1] in "aeiou":
            text, self.held = text[:-1], text[-1]
        return text

    def finish(self) -> str:
        return self.held


class LetterTokenizer:
    vocab_size = len(LETTERS)
    end_token_ids = frozenset({1, 2})
    special_token_ids = frozenset({0, 1, 2})
    bos_token_id = 0
    chat_template: str | None = None

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < self.vocab_size:
            raise TokenizerError(f"token id {token_id} is not in the vocabulary of {self.vocab_size} tokens")
        return LETTERS[token_id].encode()

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [0] * add_special_tokens + [LETTERS.index(character) for character in text]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        return "".join(LETTERS[i] for i in ids if i > 2 or not skip_special_tokens)

    def stream(self) -> LetterStream:
        return LetterStream()


class LetterModel(CausalLMPlugin):
    """Loaded by hand: what is tested is the way from prompt to text."""

    sampling_defaults = SamplingOptions(max_new_tokens=20)

    def __init__(self) -> None:
        super().__init__()
        self.name = "letters"

    def config_type(self) -> type[BaseConfig]:
        from inference_pio import BaseConfig

        return BaseConfig

    def gguf_config(self, checkpoint: Any) -> BaseConfig:
        raise NotImplementedError

    def weight_map(self, config: BaseConfig, format: str) -> Any:
        raise NotImplementedError

    def build_model(self, config: BaseConfig) -> Any:
        raise NotImplementedError

    def start(self, scripts: Mapping[str, str], *, slots: int = 4, padding: int = 0) -> ScriptExecutor:
        """Make it answer prompts that end in a key with its value; ``padding`` tokens have no letter."""
        executor = ScriptExecutor()
        executor.vocab_size += padding
        executor.scripts = dict(scripts)
        self.config = self.config_type()()
        self.engine = Engine(executor, slots=slots, **self.engine_options)
        self.tokenizer = LetterTokenizer()  # type: ignore[assignment]  # as much of a tokenizer as is used
        self.hooks = HookCaller()
        return executor


@pytest.fixture
def model() -> LetterModel:
    return LetterModel()
