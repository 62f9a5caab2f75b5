"""A model without weights: it answers at the speed that it is told, and its executor reads what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from inference_pio.generation import Completion, GenerationStats, Prompt
from inference_pio.runtime.causal_lm import CausalLMPlugin

if TYPE_CHECKING:
    from inference_pio import BaseConfig
    from inference_pio.runtime.engine import Engine


class CountingExecutor:
    name = "fake cpu"

    def __init__(self, weights: int | None = 1000, cached: int = 10) -> None:
        self.weights, self.cached = weights, cached

    def bytes_per_token(self, context: int) -> int | None:
        return None if self.weights is None else self.weights + self.cached * context


class SilentExecutor:
    name = "fake"


class FakeModel(CausalLMPlugin):
    """A new token takes ``decode_s`` seconds, a prompt ``prefill_s`` for each of its tokens; nobody waits for them."""

    def __init__(self, executor: object, *, context: int = 8192) -> None:
        super().__init__()
        self.name = "fake"
        self.engine = cast("Engine", SimpleNamespace(executor=executor, context=context))
        self.decode_s, self.prefill_s = 0.01, 0.001
        self.prompts: list[int] = []
        self.batches: list[int] = []
        self.on_run: Callable[[float], object] = lambda seconds: None

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [len(word) for word in text.split()]

    def generate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Completion:
        tokens = len(self.tokenize(prompt) if isinstance(prompt, str) else prompt)
        new = options["max_new_tokens"]
        self.prompts.append(tokens)
        first = tokens * self.prefill_s
        stats = GenerationStats(
            prompt_tokens=tokens, new_tokens=new, first_token_s=first, total_s=first + (new - 1) * self.decode_s
        )
        self.on_run(stats.total_s)
        return Completion(text="", token_ids=(0,) * new, finish_reason="length", stats=stats)

    def generate_batch(
        self, prompts: Sequence[Prompt], *, system: str | None = None, raw: bool = False, **options: Any
    ) -> list[Completion]:
        self.batches.append(len(prompts))
        return [self.generate(prompt, raw=raw, **options) for prompt in prompts]

    def cleanup(self) -> None:
        pass

    def config_type(self) -> type[BaseConfig]:
        raise NotImplementedError

    def gguf_config(self, checkpoint: Any) -> BaseConfig:
        raise NotImplementedError

    def weight_map(self, config: BaseConfig, format: str) -> Any:
        raise NotImplementedError

    def build_model(self, config: BaseConfig) -> Any:
        raise NotImplementedError


@pytest.fixture
def model() -> FakeModel:
    return FakeModel(CountingExecutor())
