"""Log-probabilities as the protocol writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from inference_pio.generation import TokenLogprob

if TYPE_CHECKING:
    from .served_model import ServedModel

LEAST_LOGPROB = -9999.0
"""The protocol's word for impossible: JSON has no minus infinity."""


class TopLogprob(msgspec.Struct, frozen=True, kw_only=True):
    """A token that might have been. ``token`` has a replacement character where ``bytes`` are a part of a character."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChosenLogprob(msgspec.Struct, frozen=True, kw_only=True):
    """The token that was chosen, and the likeliest ones at its place."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprob]


def chosen_logprobs(logprobs: Iterable[TokenLogprob], model: ServedModel) -> list[ChosenLogprob]:
    """Write log-probabilities with the tokens' texts and bytes."""
    return [
        ChosenLogprob(
            token=token_text(each.token_id, model),
            logprob=finite(each.logprob),
            bytes=list(model.token_bytes(each.token_id)),
            top_logprobs=[
                TopLogprob(
                    token=token_text(token, model), logprob=finite(logprob), bytes=list(model.token_bytes(token))
                )
                for token, logprob in each.top
            ],
        )
        for each in logprobs
    ]


def token_text(token_id: int, model: ServedModel) -> str:
    """Return a token's text, with replacement characters for parts of characters."""
    return model.token_bytes(token_id).decode(errors="replace")


def finite(logprob: float) -> float:
    """Return a log-probability as a number that JSON has."""
    return max(logprob, LEAST_LOGPROB)
