"""Writes an answer while it is generated, and keeps what came when it is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..generation import Chunk, FinishReason, GenerationStats


@dataclass
class Answer:
    """What came of a generation.

    Attributes:
        text: The answer so far.
        token_ids: Its tokens.
        finish_reason: Why it ended; ``cancelled`` after Ctrl-C.
        stats: What it took; ``None`` when it was interrupted.
    """

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    stats: GenerationStats | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.finish_reason == "cancelled"


def stream_to(out: TextIO | None, chunks: Iterator[Chunk]) -> Answer:
    """Write each chunk as it comes.

    Args:
        out: Where to, flushed after each chunk; ``None`` only collects.
        chunks: Closed at the end, also after Ctrl-C, so that the model is free for the next generation.
    """
    answer = Answer()
    try:
        for chunk in chunks:
            answer.token_ids += chunk.token_ids
            answer.finish_reason = chunk.finish_reason or answer.finish_reason
            answer.stats = chunk.stats or answer.stats
            if chunk.text:
                answer.text += chunk.text
                _write(out, chunk.text)
    except KeyboardInterrupt:
        answer.finish_reason = "cancelled"
    finally:
        close = getattr(chunks, "close", None)  # an iterator need not be a generator
        if close:
            close()
    return answer


def _write(out: TextIO | None, text: str) -> None:
    if out is not None:
        out.write(text)
        out.flush()
