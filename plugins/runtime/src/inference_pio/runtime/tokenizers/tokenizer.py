"""``Tokenizer``: one vocabulary, whatever file it came from."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from inference_pio.errors import TokenizerError

from .detokenizer import Detokenizer, TextAssembler, assembler_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


LONG_CHARS = 10_000
"""Longer texts are tokenized while other threads go on, which the library lets them only for a batch of texts."""


class Tokenizer:
    """Text to token ids and back.

    Special tokens that are spelled out in a text (``<|im_end|>``) become those tokens, as transformers does it: a chat
    template's text depends on it. Whoever puts foreign text into a prompt must remove them first.

    Attributes:
        vocab_size: Token ids are below this. A model may have more rows than that (padding), never fewer.
        bos_token_id: Beginning-of-text token, if there is one.
        eos_token_id: End-of-text token, if there is one.
        pad_token_id: Filler token, if there is one.
        end_token_ids: All tokens that end an answer: end of text, end of turn, end of message.
        chat_template: The checkpoint's chat template, a jinja source, if it has one.

    Args:
        backend: A ``tokenizers.Tokenizer``.
        vocab_size: See above.
        bos_token_id: See above.
        eos_token_id: See above.
        pad_token_id: See above.
        end_token_ids: See above, beside ``eos_token_id``.
        add_bos: Put ``bos_token_id`` before a text; ``None`` leaves it to the backend's post-processor.
        add_eos: Put ``eos_token_id`` behind a text; ``None`` as above.
        chat_template: See above.
    """

    def __init__(
        self,
        backend: Any,
        *,
        vocab_size: int,
        bos_token_id: int | None = None,
        eos_token_id: int | None = None,
        pad_token_id: int | None = None,
        end_token_ids: Iterable[int] = (),
        add_bos: bool | None = None,
        add_eos: bool | None = None,
        chat_template: str | None = None,
    ) -> None:
        self._backend = backend
        self.vocab_size = vocab_size
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        self.pad_token_id = pad_token_id
        self.end_token_ids = frozenset(end_token_ids) | ({eos_token_id} if eos_token_id is not None else frozenset())
        self.chat_template = chat_template
        self._uses_backend_template = add_bos is None and add_eos is None
        self._before = [bos_token_id] if add_bos and bos_token_id is not None else []
        self._behind = [eos_token_id] if add_eos and eos_token_id is not None else []

    @functools.cached_property
    def special_token_ids(self) -> frozenset[int]:
        """Tokens that ``decode`` leaves out."""
        added = self._backend.get_added_tokens_decoder()
        return frozenset(token_id for token_id, token in added.items() if token.special)

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the token ids of a text.

        Args:
            text: Any text; may be empty.
            add_special_tokens: Add beginning- and end-of-text tokens where the checkpoint asks for them.

        Raises:
            TokenizerError: The text holds a lone surrogate, so it is not valid Unicode.
        """
        if not isinstance(text, str):
            raise TokenizerError(f"only text can be tokenized, not {type(text).__name__}")
        uses_template = add_special_tokens and self._uses_backend_template
        try:
            if len(text) <= LONG_CHARS:
                ids: list[int] = self._backend.encode(text, add_special_tokens=uses_template).ids
            else:
                ids = self._backend.encode_batch_fast([text], add_special_tokens=uses_template)[0].ids
        except TypeError as error:  # what the library says to text that is no UTF-8
            place = _lone_surrogate(text)
            raise TokenizerError(
                f"the text is not valid Unicode: a lone surrogate {text[place]!r} at character {place}. "
                "It was probably decoded with errors='surrogateescape'; decode its bytes as UTF-8"
            ) from error
        return [*self._before, *ids, *self._behind] if add_special_tokens else ids

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        """Return the text of token ids; bytes that are no character become U+FFFD.

        Raises:
            TokenizerError: A token id is not in the vocabulary.
        """
        checked = [int(token_id) for token_id in ids]
        for token_id in checked:
            if not 0 <= token_id < self.vocab_size:
                self.token(token_id)
        text: str = self._backend.decode(checked, skip_special_tokens=skip_special_tokens)
        return text

    def stream(self, *, skip_special_tokens: bool = True) -> Detokenizer:
        """Return a detokenizer for one sequence.

        Raises:
            TokenizerError: The vocabulary's spelling cannot be decoded token by token.
        """
        skipped = self.special_token_ids if skip_special_tokens else frozenset[int]()
        return Detokenizer(self.token, skipped, self._new_assembler())

    def token(self, token_id: int) -> str:
        """Return how the vocabulary spells a token (``Ġthe``, ``▁the``, ``<0x0A>``).

        Raises:
            TokenizerError: The token id is not in the vocabulary.
        """
        spelling = self._backend.id_to_token(token_id) if 0 <= token_id < 2**32 else None
        if spelling is None:
            raise TokenizerError(
                f"token id {token_id} is not in the vocabulary of {self.vocab_size} tokens. "
                "Do tokenizer and model belong together?"
            )
        return str(spelling)

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for inside a text: perhaps only a part of a character.

        Those of ``encode(text)`` make up the UTF-8 of ``text``, where the vocabulary can spell it. Where SentencePiece
        puts a space before a text (Llama, not Gemma), it is one of the first token's bytes. Special tokens have the
        bytes of their spelling.

        Raises:
            TokenizerError: The token is not in the vocabulary.
        """
        spelling = self.token(token_id)
        if token_id in self.special_token_ids:
            return spelling.encode("utf-8")
        return self._assembler.token_bytes(spelling)

    def token_id(self, text: str) -> int | None:
        """Return the id of the token that the vocabulary spells so, if there is one."""
        token_id: int | None = self._backend.token_to_id(text)
        return token_id

    @functools.cached_property
    def _assembler(self) -> TextAssembler:
        return self._new_assembler()  # asked for single tokens only, which changes nothing in it

    @functools.cached_property
    def _new_assembler(self) -> Callable[[], TextAssembler]:
        decoder = self._backend.decoder
        return assembler_factory(None if decoder is None else json.loads(decoder.__getstate__()))


def _lone_surrogate(text: str) -> int:
    return next((place for place, character in enumerate(text) if "\ud800" <= character <= "\udfff"), 0)
