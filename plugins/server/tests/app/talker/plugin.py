"""Says what was said. ``wait`` goes on until the file that ``TALKER_GATE`` names is there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inference_pio import BaseConfig, Chunk, Completion, LoadOptions, TextModelPlugin
from inference_pio.errors import CacheFullError, WeightsNotFoundError
from inference_pio.generation import GenerationStats, Message, Prompt
from inference_pio.hooks import HookCaller


class TalkerPlugin(TextModelPlugin):
    """See the module."""

    context = 100
    vocab_size = 256

    def supports_config(self, config: Mapping[str, Any]) -> bool:
        return False

    def create_config(self, **overrides: Any) -> BaseConfig:
        return BaseConfig.from_dict(overrides)

    def load_model(self, options: LoadOptions | None = None, hooks: HookCaller | None = None) -> None:
        print("noise from loading")
        if os.environ.get("TALKER_FAILS"):
            raise WeightsNotFoundError("the talker has lost its voice")

    def infer(self, inputs: Any) -> Any:
        return inputs

    def cleanup(self) -> None:
        if "TALKER_LEFT" in os.environ:
            Path(os.environ["TALKER_LEFT"]).touch()

    @property
    def has_chat_template(self) -> bool:
        return True

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(text.encode())

    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        return bytes(token_ids).decode(errors="replace")

    def stream(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Iterator[Chunk]:
        return self._say(prompt if isinstance(prompt, str) else self.detokenize(prompt), options)

    def generate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Completion:
        raise NotImplementedError

    def stream_chat(self, messages: Sequence[Message], **options: Any) -> Iterator[Chunk]:
        return self._say(messages[-1]["content"], options)

    def chat(self, messages: Sequence[Message], **options: Any) -> Completion:
        raise NotImplementedError

    def _say(self, text: str, options: Mapping[str, Any]) -> Iterator[Chunk]:
        if text == "fail":
            raise CacheFullError("the talker is full")
        if text == "crash":
            raise ZeroDivisionError("a secret of the talker")
        while text == "wait" and not Path(os.environ["TALKER_GATE"]).exists():
            yield Chunk(text=".", token_ids=(46,))
            time.sleep(0.005)
        said = text.encode()[: options.get("max_new_tokens")]
        stats = GenerationStats(prompt_tokens=1, new_tokens=len(said), first_token_s=0.1, total_s=0.2)
        for place, byte in enumerate(said):
            is_last = place == len(said) - 1
            yield Chunk(
                text=chr(byte), token_ids=(byte,),
                finish_reason="stop" if is_last else None, stats=stats if is_last else None,
            )  # fmt: skip


def create_talker_plugin() -> TalkerPlugin:
    """Make one."""
    return TalkerPlugin()
