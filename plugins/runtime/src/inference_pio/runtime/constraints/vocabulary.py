"""A model's vocabulary as llguidance wants it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llguidance import LLTokenizer, TokenizerWrapper

from inference_pio.errors import TokenizerError

if TYPE_CHECKING:
    from ..tokenizers import Tokenizer


class GrammarVocabulary:
    """The bytes of every token, and which tokens are no text.

    A special token is never taken for the text that it is spelled with. End tokens may come where a grammar accepts.

    Attributes:
        tokenizer: What llguidance made of it.
        size: Token ids are below this.
        end_token_ids: Tokens that end an answer.

    Args:
        tokenizer: The model's.
        end_token_ids: Tokens that end an answer; those outside the vocabulary are left out.
    """

    def __init__(self, tokenizer: Tokenizer, end_token_ids: Iterable[int]) -> None:
        self._tokenizer = tokenizer
        self.size = tokenizer.vocab_size
        self.end_token_ids = [token_id for token_id in end_token_ids if token_id < self.size]
        self.tokens = [_bytes(tokenizer, token_id) for token_id in range(self.size)]
        # llguidance wants an end in any case. A model without one gets one that it cannot say.
        ends = self.end_token_ids or [self.size]
        self.tokens += [b"<end>"] * (not self.end_token_ids)
        self._special = frozenset({*tokenizer.special_token_ids, *ends})
        self.special_token_ids = sorted(self._special)
        self.eos_token_id, self.bos_token_id = ends[0], tokenizer.bos_token_id
        self.tokenizer = LLTokenizer(TokenizerWrapper(self), n_vocab=len(self.tokens), eos_token=ends)

    def __call__(self, text: bytes) -> list[int]:
        """Return the tokens of a text that a grammar prescribes, as the model would write it."""
        ids = self._tokenizer.encode(text.decode("utf-8"), add_special_tokens=False)
        is_text = self._special.isdisjoint(ids)  # else the text spells a special token
        if not is_text or b"".join(self.tokens[token_id] for token_id in ids) != text:  # Llama puts a space before it
            ids = self.tokenizer.greedy_tokenize(text.decode("utf-8"))
        return ids


def _bytes(tokenizer: Tokenizer, token_id: int) -> bytes:
    try:
        return tokenizer.token_bytes(token_id)
    except TokenizerError:  # ids may have gaps
        return b""
