"""A text model that does what a real one does for the history: fetch a checkpoint and tell the hooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inference_pio import BaseConfig, Chunk, Completion, LoadOptions, SamplingOptions, TextModelPlugin, hookimpl
from inference_pio.errors import CacheFullError
from inference_pio.generation import GenerationRequest, GenerationStats, Message, Prompt
from inference_pio.hooks import HookCaller
from inference_pio.host import default_host
from inference_pio.weights_choice import fetch_weights


class ParrotPlugin(TextModelPlugin):
    """Answers with the last message. ``slow`` waits for Ctrl-C, ``fail`` fails after a word."""

    def __init__(self) -> None:
        self._hooks: HookCaller | None = None

    def supports_config(self, config: Mapping[str, Any]) -> bool:
        return False

    def create_config(self, **overrides: Any) -> BaseConfig:
        return BaseConfig.from_dict(overrides)

    @hookimpl
    def pio_resolve_weights(self, request: Any) -> Any:
        return request.cache_dir.parent if str(request.entry.source).startswith("parrot:") else request.entry.source

    def load_model(self, options: LoadOptions | None = None, hooks: HookCaller | None = None) -> None:
        self._hooks = hooks or default_host().hooks
        fetch_weights(self._hooks, self.name, self.manifest, options or LoadOptions())
        self._hooks.after_load(self.name, self)

    def infer(self, inputs: Any) -> Any:
        return inputs

    def cleanup(self) -> None:
        self._hooks = None

    @property
    def has_chat_template(self) -> bool:
        return True

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(range(len(text.split())))

    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        return " ".join(map(str, token_ids))

    def stream(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Iterator[Chunk]:
        if isinstance(prompt, str) and not raw:
            instructions = [{"role": "system", "content": system}] if system else []
            return self.stream_chat([*instructions, {"role": "user", "content": prompt}], **options)
        text = prompt if isinstance(prompt, str) else None
        ids = self.tokenize(prompt) if isinstance(prompt, str) else list(prompt)
        return self._run(text, ids, (), "on and on", options)

    def generate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Completion:
        return _whole(self.stream(prompt, system=system, raw=raw, **options))

    def stream_chat(self, messages: Sequence[Message], **options: Any) -> Iterator[Chunk]:
        text = "\n".join(f"<{message['role']}> {message['content']}" for message in messages)
        return self._run(text, self.tokenize(text), tuple(messages), messages[-1]["content"], options)

    def chat(self, messages: Sequence[Message], **options: Any) -> Completion:
        return _whole(self.stream_chat(messages, **options))

    def _run(
        self, text: str | None, ids: Sequence[int], messages: tuple[Message, ...], answer: str, options: dict[str, Any]
    ) -> Iterator[Chunk]:
        assert self._hooks is not None, "not loaded"
        chosen = SamplingOptions(**options).over(SamplingOptions(temperature=0.5))
        request = GenerationRequest(
            plugin_name=self.name, prompt=text, prompt_ids=tuple(ids), options=chosen, messages=messages
        )
        self._hooks.before_generation(request)
        words = answer.split(" ")[: chosen.max_new_tokens]
        said: list[str] = []
        reason: Any = "cancelled"
        try:
            for place, word in enumerate(words):
                said.append(word if not place else f" {word}")
                if word == "fail":
                    raise CacheFullError("the cage is full")
                is_last = place == len(words) - 1
                if word == "slow":
                    yield Chunk(text=said[-1], token_ids=(place,))
                    threading.Event().wait(60)
                if is_last:
                    reason = "length" if len(words) == chosen.max_new_tokens else "stop"
                    break
                yield Chunk(text=said[-1], token_ids=(place,))
                time.sleep(0.001)
        finally:
            stats = GenerationStats(prompt_tokens=len(ids), new_tokens=len(said), first_token_s=0.01, total_s=0.02)
            done = Completion(text="".join(said), token_ids=tuple(range(len(said))), finish_reason=reason, stats=stats)
            self._hooks.after_generation(request, done)
        yield Chunk(text=said[-1], token_ids=(len(said) - 1,), finish_reason=reason, stats=stats)


def _whole(chunks: Iterator[Chunk]) -> Completion:
    taken = list(chunks)
    ids = tuple(token for chunk in taken for token in chunk.token_ids)
    last = taken[-1]
    assert last.finish_reason is not None
    assert last.stats is not None
    return Completion(
        text="".join(chunk.text for chunk in taken), token_ids=ids, finish_reason=last.finish_reason, stats=last.stats
    )


def create_parrot_plugin() -> ParrotPlugin:
    """Make one."""
    return ParrotPlugin()
