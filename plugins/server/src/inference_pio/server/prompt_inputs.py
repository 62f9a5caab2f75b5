"""Texts and token ids in a request: one or many, as ``prompt`` of completions and ``input`` of embeddings have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference_pio.errors import TokenizerError

from .api_errors import ApiError, invalid

if TYPE_CHECKING:
    from .served_model import ServedModel

PromptInput = str | list[str | int | list[int]]
"""One text, several, the token ids of one, or those of several; a mixture is refused by ``prompts_of``."""

MAX_PROMPTS = 2048
"""Most texts in one request."""

CHARS_PER_TOKEN = 128
"""Characters for each place in the context up to which a text is tokenized at all. Ordinary text has about four."""

_KINDS = {str: "a text", int: "a token id", list: "a list of token ids"}


@dataclass(frozen=True)
class PromptPlace:
    """A text of a request.

    Attributes:
        place: Where it stands, ``prompt[3]``.
        text: What was sent, if it was text.
        token_ids: Its tokens.
    """

    place: str
    text: str | None
    token_ids: list[int]


async def prompts_of(
    given: PromptInput, name: str, model: ServedModel, *, most: int = MAX_PROMPTS
) -> list[PromptPlace]:
    """Return every text with its tokens, none without any.

    Raises:
        ApiError: 400; names the text or token that cannot be.
    """
    prompts = []
    for place, each in _separate(given, name, most, model.context):
        if isinstance(each, str):
            prompts.append(PromptPlace(place, each, await token_ids_of_text(each, place, model)))
        else:
            check_token_ids(each, place, model)
            prompts.append(PromptPlace(place, None, each))
        if not prompts[-1].token_ids:
            raise invalid(place, f"{place} has no tokens: there is nothing to read")
    return prompts


async def token_ids_of_text(text: str, place: str, model: ServedModel, *, add_special_tokens: bool = True) -> list[int]:
    """Return a text's token ids.

    Raises:
        ApiError: 400: the text is not valid Unicode, or too long.
    """
    check_text_length(text, place, model)
    try:
        return await model.tokenize(text, add_special_tokens=add_special_tokens)
    except TokenizerError as error:
        raise invalid(place, f"{place}: {error}") from error


def check_text_length(text: str, place: str, model: ServedModel) -> None:
    """Refuse a text that is far longer than the context, before anybody spends time on it.

    Raises:
        ApiError: 400.
    """
    if len(text) > (most := CHARS_PER_TOKEN * model.context):
        raise invalid(
            place,
            f"{place}: the text has {len(text)} characters. {model.name} has a context of {model.context} tokens, and "
            f"texts of up to {most} characters are looked at",
            code="context_length_exceeded",
        )


def check_token_ids(token_ids: Sequence[int], place: str, model: ServedModel) -> None:
    """Refuse what is not in the model's vocabulary.

    Raises:
        ApiError: 400; names the place of the first one.
    """
    if token_ids and min(token_ids) >= 0 and max(token_ids) < model.vocab_size:
        return
    for index, token_id in enumerate(token_ids):
        if not 0 <= token_id < model.vocab_size:
            where = f"{place}[{index}]"
            raise invalid(where, f"{where}: token ids of {model.name} are from 0 to {model.vocab_size - 1}")


def _separate(given: PromptInput, name: str, most: int, context: int) -> Iterator[tuple[str, str | list[int]]]:
    if isinstance(given, str):
        yield name, given
        return
    if not given:
        raise invalid(name, f"{name} is an empty list: give at least one text, or the token ids of one")
    kind = type(given[0])
    numbers: list[int] = []
    if kind is not int and len(given) > most:
        raise invalid(name, f"{name} has {len(given)} texts; at most {most} are taken at once")
    if kind is int and len(given) > context:
        raise _too_many(name, len(given), context)
    for index, each in enumerate(given):
        place = f"{name}[{index}]"
        if type(each) is not kind:
            raise invalid(place, f"{place} is {_KINDS[type(each)]}, but {name}[0] is {_KINDS[kind]}: send one kind")
        if isinstance(each, int):
            numbers.append(each)
        elif isinstance(each, list) and len(each) > context:
            raise _too_many(place, len(each), context)
        else:
            yield place, each
    if kind is int:
        yield name, numbers


def _too_many(place: str, tokens: int, context: int) -> ApiError:
    """Return the error for tokens that no context holds; each would be looked at in vain."""
    message = f"{place} has {tokens} tokens, and the context has room for {context}"
    return invalid(place, message, code="context_length_exceeded")
