"""Reads what a model writes, piece by piece: the same for answers that are streamed and for whole ones."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import Literal

from inference_pio.generation import Chunk, GenerationStats, TokenLogprob

from ..generations import Generations, finish_reason_of
from .tool_call_reader import Piece, Text, ToolCallReader

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Step:
    """What is new in one of the answers.

    Attributes:
        index: Which answer.
        pieces: What it says or calls.
        logprobs: Of the tokens since the last step, in the order of the answer.
        finish_reason: Set on an answer's last step only, as ``stats``.
        stats: What the answer took.
    """

    index: int
    pieces: list[Piece]
    logprobs: list[TokenLogprob]
    finish_reason: FinishReason | None = None
    stats: GenerationStats | None = None


async def read_steps(generations: Generations, tool_names: Collection[str]) -> AsyncGenerator[Step, None]:
    """Yield what is new, as it comes.

    Args:
        generations: The answers under way; all are cancelled when this is closed.
        tool_names: What they may call; empty: they are text only.

    Raises:
        ApiError: 503: an answer was cancelled by the server.
    """
    readers = [_AnswerReader(index, tool_names) for index in range(len(generations))]
    async with contextlib.aclosing(generations.chunks()) as chunks:
        async for index, chunk in chunks:
            step = readers[index].read(chunk)
            if step is not None:
                yield step


class _AnswerReader:
    def __init__(self, index: int, tool_names: Collection[str]) -> None:
        self._index = index
        self._calls = ToolCallReader(tool_names) if tool_names else None
        self._logprobs: list[TokenLogprob] = []

    def read(self, chunk: Chunk) -> Step | None:
        """Return what is new; nothing while text is held back: its log-probabilities wait for it."""
        pieces = self._pieces(chunk)
        self._logprobs += chunk.logprobs
        if not pieces and chunk.finish_reason is None:
            return None
        logprobs, self._logprobs = self._logprobs, []
        return Step(self._index, pieces, logprobs, self._finish_reason(chunk), chunk.stats)

    def _pieces(self, chunk: Chunk) -> list[Piece]:
        if self._calls is None:
            return [Text(chunk.text)] if chunk.text else []
        pieces = self._calls.push(chunk.text)
        return pieces if chunk.finish_reason is None else pieces + self._calls.finish()

    def _finish_reason(self, chunk: Chunk) -> FinishReason | None:
        reason = finish_reason_of(chunk)
        has_calls = self._calls is not None and bool(self._calls.calls)
        return "tool_calls" if reason == "stop" and has_calls else reason
