"""The whole model: it needs neither weights nor torch, and imports nothing that is not documented."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference_pio import BaseConfig, Chunk, Completion, LoadOptions, SamplingOptions, TextModelPlugin, hookimpl
from inference_pio.errors import EmptyPromptError, NotLoadedError
from inference_pio.generation import GenerationRequest, GenerationStats


@dataclass
class AcmeLlamaConfig(BaseConfig):
    """The configuration.

    Attributes:
        model_type: As in ``config.json``.
        shout: Answer in capitals.
    """

    model_type: str = "acme-llama"
    shout: bool = False


class AcmeLlamaPlugin(TextModelPlugin):
    """Says the words of the prompt in reverse order."""

    def __init__(self) -> None:
        self._config: AcmeLlamaConfig | None = None
        self._hooks: Any = None
        self._generations = 0

    def supports_config(self, config: Mapping[str, Any]) -> bool:
        return config.get("model_type") == "acme-llama"

    def create_config(self, **overrides: Any) -> AcmeLlamaConfig:
        return AcmeLlamaConfig.from_dict(overrides)

    def load_model(self, options: LoadOptions | None = None, hooks: Any = None) -> None:
        chosen = options or LoadOptions()
        self._hooks = hooks
        self._config = self.create_config(**chosen.config_overrides)
        if hooks is not None:
            self._config = hooks.adjust_config(self.name, self._config)
            hooks.after_load(self.name, self)

    def infer(self, inputs: Any) -> Any:
        return list(reversed(inputs))

    def cleanup(self) -> None:
        self._config = None

    @property
    def has_chat_template(self) -> bool:
        return True

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(text.encode())

    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        return bytes(token_ids).decode(errors="replace")

    def stream(
        self, prompt: str | Sequence[int], *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Iterator[Chunk]:
        text = prompt if isinstance(prompt, str) else self.detokenize(prompt)
        return self._run(text, (), options)

    def generate(
        self, prompt: str | Sequence[int], *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Completion:
        return _joined(self.stream(prompt, system=system, raw=raw, **options))

    def stream_chat(self, messages: Sequence[Mapping[str, str]], **options: Any) -> Iterator[Chunk]:
        return self._run(messages[-1]["content"], tuple(messages), options)

    def chat(self, messages: Sequence[Mapping[str, str]], **options: Any) -> Completion:
        return _joined(self.stream_chat(messages, **options))

    @hookimpl
    def pio_doctor_checks(self) -> Any:
        from inference_pio.hookspecs import DoctorFinding

        said = f"{self._generations} answers so far"
        return [lambda: DoctorFinding(name="acme-llama answers", status="ok", message=said)]

    def _run(self, text: str, messages: tuple[Mapping[str, str], ...], options: dict[str, Any]) -> Iterator[Chunk]:
        if self._config is None:
            raise NotLoadedError("acme-llama was used before load_model or after cleanup")
        ids = self.tokenize(text)
        if not ids:
            raise EmptyPromptError("the prompt is empty")
        chosen = SamplingOptions(**options)
        request = GenerationRequest(
            plugin_name=self.name, prompt=text, prompt_ids=tuple(ids), options=chosen, messages=messages
        )
        return self._answer(request, text.upper() if self._config.shout else text)

    def _answer(self, request: GenerationRequest, text: str) -> Iterator[Chunk]:
        started = time.perf_counter()
        self._tell("before_generation", request)
        words = text.split()[::-1]
        said = " ".join(words[: request.options.max_new_tokens])
        seconds = time.perf_counter() - started
        stats = GenerationStats(
            prompt_tokens=len(request.prompt_ids), new_tokens=len(words), first_token_s=seconds, total_s=seconds
        )
        token_ids = tuple(self.tokenize(said))
        self._generations += 1
        done = Completion(text=said, token_ids=token_ids, finish_reason="stop", stats=stats)
        self._tell("after_generation", request, done)
        yield Chunk(text=said, token_ids=token_ids, finish_reason="stop", stats=stats)

    def _tell(self, hook: str, *arguments: Any) -> None:
        if self._hooks is not None:
            getattr(self._hooks, hook)(*arguments)


def _joined(chunks: Iterator[Chunk]) -> Completion:
    (chunk,) = chunks
    assert chunk.finish_reason is not None
    assert chunk.stats is not None
    return Completion(text=chunk.text, token_ids=chunk.token_ids, finish_reason=chunk.finish_reason, stats=chunk.stats)


def create_acme_llama_plugin() -> AcmeLlamaPlugin:
    """Return a new, unloaded model."""
    return AcmeLlamaPlugin()
