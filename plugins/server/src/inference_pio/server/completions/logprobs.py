"""Log-probabilities as ``/v1/completions`` writes them: four lists of one length, tokens by their text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from inference_pio.generation import TokenLogprob

from ..token_logprobs import finite

if TYPE_CHECKING:
    from ..served_model import ServedModel


class CompletionLogprobs(msgspec.Struct, frozen=True, kw_only=True):
    r"""One entry a token in each list.

    Attributes:
        tokens: Their texts; parts of characters are spelled ``bytes:\xe2\x82``.
        token_logprobs: Of the chosen tokens; ``None`` for the first of a prompt, which nothing predicts.
        top_logprobs: The likeliest ones at each place and the chosen one, likeliest first, by their texts.
        text_offset: Where each token begins in the choice's text, characters. What is in no text, such as a mark of the
            beginning or the end, has the place where it would be.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class Offsets:
    """Where tokens begin in a text that they make up.

    Args:
        start: Where the first one begins, characters.
    """

    def __init__(self, start: int = 0) -> None:
        self._place = start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def next(self, token: bytes) -> int:
        """Return where a token begins, and go on behind it. In the midst of a character it is where that one begins."""
        place = self._place
        self._place += len(self._decoder.decode(token))
        return place


def prompt_offsets(tokens: Sequence[bytes], text: str) -> list[int]:
    """Return where a prompt's tokens begin in its text, characters.

    Args:
        tokens: What each stands for. One that is not in the text at its place takes no room there: a mark that the
            tokenizer added. A space that it put before the first word takes none either.
        text: The prompt.
    """
    data, offsets, done, places = text.encode(), Offsets(), 0, list[int]()
    for token in tokens:
        seen = next((each for each in (token, token.removeprefix(b" ")) if data.startswith(each, done)), b"")
        places.append(offsets.next(seen))
        done += len(seen)
    return places


def completion_logprobs(
    logprobs: Sequence[TokenLogprob], offsets: Sequence[int], model: ServedModel
) -> CompletionLogprobs:
    """Write the log-probabilities of tokens.

    Args:
        logprobs: One a token.
        offsets: Where each begins, characters.
        model: Whose tokens they are.
    """
    named = [_named(each, model) for each in logprobs]
    return CompletionLogprobs(
        tokens=[name for name, _ in named],
        token_logprobs=[finite(each.logprob) for each in logprobs],
        top_logprobs=[top for _, top in named],
        text_offset=list(offsets),
    )


def prompt_start(token_id: int, model: ServedModel) -> CompletionLogprobs:
    """Write the first token of a prompt, which nothing predicts."""
    text = spelled(model.token_bytes(token_id))
    return CompletionLogprobs(tokens=[text], token_logprobs=[None], top_logprobs=[None], text_offset=[0])


def joined_logprobs(pieces: Sequence[CompletionLogprobs]) -> CompletionLogprobs:
    """Return the log-probabilities of what several pieces make up."""
    return CompletionLogprobs(
        tokens=[each for piece in pieces for each in piece.tokens],
        token_logprobs=[each for piece in pieces for each in piece.token_logprobs],
        top_logprobs=[each for piece in pieces for each in piece.top_logprobs],
        text_offset=[each for piece in pieces for each in piece.text_offset],
    )


def spelled(token: bytes) -> str:
    """Return a token's text so that two that stand for different bytes never look alike."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


def _named(logprob: TokenLogprob, model: ServedModel) -> tuple[str, dict[str, float]]:
    """Return the chosen token's name, and what its place could have held by name.

    Some vocabularies have several tokens of one text. The likeliest keeps the text and the others are called
    ``token_id:5``: nothing is lost, and the chosen one is the likeliest exactly when it has the name of the likeliest.
    """
    # The chosen one's own value also where it is among the likeliest: programs compare the two for equality.
    values = {**dict(logprob.top), logprob.token_id: logprob.logprob}
    names: dict[str, int] = {}
    for token_id in values:
        text = spelled(model.token_bytes(token_id))
        names[f"token_id:{token_id}" if text in names else text] = token_id
    chosen = next(name for name, token_id in names.items() if token_id == logprob.token_id)
    return chosen, {name: finite(values[token_id]) for name, token_id in names.items()}
