"""What ``/v1/completions`` answers: whole answers and pieces of a stream have one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ..usage import Usage
from .logprobs import CompletionLogprobs, joined_logprobs


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or a piece of it. ``index`` counts the answers to the first prompt, then those to the second."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


def joined(pieces: Sequence[CompletionChoice]) -> CompletionChoice:
    """Return the whole answer that pieces make up."""
    logprobs = [piece.logprobs for piece in pieces if piece.logprobs is not None]
    return CompletionChoice(
        index=pieces[0].index,
        text="".join(piece.text for piece in pieces),
        logprobs=joined_logprobs(logprobs) if logprobs else None,
        finish_reason=pieces[-1].finish_reason,
    )


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """All answers, or one piece. ``usage`` is in whole answers, and in streams where it was asked for."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | UnsetType | None = UNSET
