"""Guessing the next tokens from the text so far: prompt-lookup decoding, which needs no second model.

What an answer quotes or edits stands in the prompt (Saxena 2023, "Prompt Lookup Decoding"): what followed the last few
tokens the last time they stood in the text is guessed to follow again. The engine computes guesses in the same step as
the last known token, and samples every position from the model's own logits, in order, as long as what it samples was
guessed. For a guess that gives all weight to one token this is the acceptance rule of speculative sampling (Leviathan,
Kalman and Matias 2023; Chen et al. 2023); as the draws depend on their number alone, it even gives the same tokens as
without guesses, not only the same distribution.
"""

from __future__ import annotations

NGRAM = 3
"""Tokens that must have stood in the text before; two find more and are wrong more often."""

WORTHWHILE = 0.5
"""Chance to come true from which a token is guessed: a second token in a step costs half a step, further ones less."""

FIRST_HIT_RATE = 0.5
"""Taken for granted before anything is known: just enough to try."""

MEMORY = 8
"""Tokens over which the share of right guesses is averaged: enough to stop soon after a quotation has ended."""


class PromptLookup:
    """Guesses how a text goes on; knows by itself how far its guesses can be trusted.

    While nothing is guessed it still looks on: whether it would have been right costs nothing to see. So ordinary text
    costs no computation, and a quotation is noticed within a few tokens.

    Args:
        tokens: The text; grows outside, and is only read.
        vocab_size: Ids are below this.
        end: Tokens that the text can reach, prompt included; no guess goes to the last of them or beyond, for nothing
            is computed from it.
    """

    def __init__(self, tokens: list[int], *, vocab_size: int, end: int) -> None:
        self.hit_rate = FIRST_HIT_RATE
        """Share of late tokens that were foreseen, of those for which there was a guess."""
        self._tokens, self._prompt_length, self._end = tokens, len(tokens), end
        self._radix, self._modulus = vocab_size, vocab_size**NGRAM
        self._read = 0
        self._key = 0  # the last n-gram as one number, which needs no tuple and has no collisions
        # Where the text went on after an n-gram, the last time; an entry a token at most.
        self._after: dict[int, int] = {}
        self._source: int | None = None  # where the next token is expected to have stood before

    def guess(self, most: int) -> list[int]:
        """Return what probably follows, nothing where it is not worth its computation.

        Args:
            most: Tokens at most; none or less for none.
        """
        self._read_on()
        count = self._worthwhile(min(most, self._end - len(self._tokens) - 1))
        if self._source is None or count <= 0:
            return []
        guesses = self._tokens[self._source : self._source + count]
        for place in range(count - len(guesses)):  # the source reaches the end: a loop, which goes on
            guesses.append(guesses[place])
        return guesses

    def _worthwhile(self, most: int) -> int:
        """How many guesses in a row come true with enough of a chance."""
        count, chance = 0, self.hit_rate
        while count < most and chance >= WORTHWHILE:
            count += 1
            chance *= self.hit_rate
        return count

    def _read_on(self) -> None:
        tokens = self._tokens
        for place in range(self._read, len(tokens)):
            token = tokens[place]
            if self._source is not None:
                is_hit = tokens[self._source] == token
                if place >= self._prompt_length:
                    self.hit_rate += (is_hit - self.hit_rate) / MEMORY
                self._source = self._source + 1 if is_hit else None
            self._key = (self._key * self._radix + token) % self._modulus
            if place >= NGRAM - 1:
                if self._source is None:
                    self._source = self._after.get(self._key)
                self._after[self._key] = place + 1
        self._read = len(tokens)
