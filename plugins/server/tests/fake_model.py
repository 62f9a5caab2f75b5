"""A ``ServedModel`` without weights: its tokens are bytes, and it answers what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.errors import (
    ChatTemplateError,
    ContextLengthError,
    EmptyPromptError,
    InferencePioError,
    InvalidOptionError,
    TokenizerError,
)
from inference_pio.generation import Chunk, FinishReason, GenerationStats, Message, SamplingOptions, TokenLogprob

if TYPE_CHECKING:
    from numpy.typing import NDArray

END = 256
VOCAB_SIZE = 257
LOGPROB = -0.5


@dataclass(frozen=True)
class Started:
    """What ``start`` was called with."""

    prompt_ids: tuple[int, ...]
    options: SamplingOptions
    text: str | None
    messages: tuple[Message, ...]
    cache_salt: str


class FakeGeneration:
    """Gives an answer byte by byte; honours stop texts, ``max_new_tokens``, logprobs and cancellation."""

    def __init__(self, model: FakeModel, started: Started, answer: str) -> None:
        self.is_cancelled = False
        self._model, self._options = model, started.options
        self._prompt = started.prompt_ids
        stops = self._options.stop or ()
        for stop in [stops] if isinstance(stops, str) else stops:
            answer = answer.partition(stop)[0]
        self._left = list(answer.encode())
        self._total, self._given, self._ended = len(self._left), 0, False

    def __aiter__(self) -> FakeGeneration:
        return self

    async def __anext__(self) -> Chunk:
        if self._ended:
            raise StopAsyncIteration
        await self._model.step()
        prompt = self._prompt_logprobs() if not self._given else ()
        if self.is_cancelled:
            return self._last("cancelled", prompt)
        if self._given == self._options.max_new_tokens:
            return self._last("length", prompt)
        if not self._left:
            return self._last("stop", prompt)
        token = self._left.pop(0)
        self._given += 1
        if self._given == self._options.max_new_tokens and self._left:
            return self._last("length", prompt, token)
        # Whole characters only, as a real detokenizer: the rest of a character comes with its last byte.
        return Chunk(text=self._text(token), token_ids=(token,), logprobs=self._logprobs(token), prompt_logprobs=prompt)

    def cancel(self) -> None:
        self.is_cancelled = True

    _held = b""

    def _text(self, token: int) -> str:
        self._held += bytes([token])
        try:
            text = self._held.decode()
        except UnicodeDecodeError:
            return ""
        self._held = b""
        return text

    def _logprobs(self, token: int) -> tuple[TokenLogprob, ...]:
        count = self._options.logprobs
        return () if count is None else (logprob_of(token, count),)

    def _prompt_logprobs(self) -> tuple[TokenLogprob | None, ...]:
        count = self._options.prompt_logprobs
        return () if count is None else (None, *(logprob_of(token, count) for token in self._prompt[1:]))

    def _last(self, reason: FinishReason, prompt: tuple[TokenLogprob | None, ...], token: int | None = None) -> Chunk:
        self._ended = True
        self._model.running -= 1
        stats = GenerationStats(
            prompt_tokens=len(self._prompt), new_tokens=self._given, first_token_s=0.25, total_s=0.5, cached_tokens=0
        )
        return Chunk(
            text="" if token is None else self._text(token),
            token_ids=() if token is None else (token,),
            logprobs=() if token is None else self._logprobs(token),
            prompt_logprobs=prompt,
            finish_reason=reason,
            stats=stats,
        )


def logprob_of(token: int, count: int) -> TokenLogprob:
    top = tuple(((token + place) % 256, LOGPROB - place) for place in range(count))
    return TokenLogprob(token_id=token, logprob=LOGPROB, top=top)


@dataclass
class FakeModel:
    """Answers every request with ``answer``; notes what it was asked.

    Attributes:
        answer: What it says, or how it makes what it says of what it is asked.
        error: Raised by ``start``, if set.
        failure: Raised while the answer is read, if set, after ``fail_after`` pieces.
        step_s: What a token takes, seconds.
    """

    name: str = "fake"
    context: int = 1000
    vocab_size: int = VOCAB_SIZE
    sampling_defaults: SamplingOptions = field(default_factory=SamplingOptions)
    has_chat_template: bool = True
    takes_tools: bool = True
    can_embed: bool = True
    answer: str | Callable[[Started], str] = "Hello there."
    error: Exception | None = None
    failure: Exception | None = None
    fail_after: int = 3
    step_s: float = 0.0
    running: int = 0
    started: list[Started] = field(default_factory=list)
    generations: list[FakeGeneration] = field(default_factory=list)
    steps: int = 0
    is_closed: bool = False

    async def step(self) -> None:
        self.steps += 1
        await asyncio.sleep(self.step_s)
        if self.failure is not None and self.steps > self.fail_after:
            raise self.failure

    async def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        if not self.has_chat_template:
            raise ChatTemplateError(f"{self.name} brings no chat template")
        lines = [f"<tools>{list(tools)}\n"] if tools else []
        lines += [f"<{message['role']}>{message.get('content')}\n" for message in messages]
        return "".join([*lines, "<assistant>"])

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        try:
            return list(text.encode())
        except UnicodeEncodeError as error:
            raise TokenizerError(f"the text is not valid Unicode: {error}") from error

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        return b"".join(map(self.token_bytes, token_ids)).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        if token_id == END:
            return b"<end>"
        if not 0 <= token_id < END:
            raise TokenizerError(f"token id {token_id} is not in the vocabulary of {VOCAB_SIZE} tokens")
        return bytes([token_id])

    async def start(
        self,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> FakeGeneration:
        if self.error is not None:
            raise self.error
        if not prompt_ids:
            raise EmptyPromptError("the prompt is empty: there is nothing to continue")
        if len(prompt_ids) >= self.context:
            raise ContextLengthError(len(prompt_ids), self.context)
        if not all(0 <= token < VOCAB_SIZE for token in prompt_ids):
            raise InvalidOptionError("a token lies outside the vocabulary")
        request = Started(tuple(prompt_ids), options, text, tuple(messages), cache_salt)
        answer = self.answer(request) if callable(self.answer) else self.answer
        generation = FakeGeneration(self, request, answer)
        self.started.append(request)
        self.generations.append(generation)
        self.running += 1
        return generation

    async def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        if not self.can_embed:
            raise InvalidOptionError(f"{self.name} offers no embeddings")
        rows = np.array([[len(ids), sum(ids) + 1, 1] for ids in inputs], np.float32)
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def figures(self) -> Mapping[str, float]:
        return {"running": self.running, "waiting": 0, "steps": self.steps, "is_alive": 1}

    async def close(self) -> None:
        self.is_closed = True


class BrokenError(InferencePioError):
    """What a test lets a model raise."""
