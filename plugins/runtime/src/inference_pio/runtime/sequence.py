"""``Sequence``: the tokens of one request, and how many of them are computed. Knows neither torch nor text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_pio.generation import TokenLogprob

    from .prefix_cache import Block, Key
    from .prompt_lookup import PromptLookup


@dataclass(eq=False)
class Sequence:
    """One request's tokens.

    Attributes:
        tokens: All known tokens: the prompt, then what was generated.
        lookup: Guesses what follows; ``None`` for a sequence that never runs ahead.
        end: Tokens that it can reach, prompt included; by default no more than it has.
        salt: Only sequences of one salt share computed prefixes.
        prompt_logprobs: What the model thought of the prompt's tokens, as far as it is known; ``None`` for the first
            one. The whole list is ``None`` where nobody asked.
        prompt_length: How many of the tokens are the prompt.
        computed: How many are in the KV cache.
        guesses: What is computed in this step beyond the known tokens.
        prompt_rows: Rows of logits of prompt tokens that this step gives, before those of the last known token.
        slot: Its cache slot; -1 while it waits.
        arrival: Its number in order of arrival.
        reserved: Tokens that memory is set aside for.
        is_fresh: Whether it has never had to start anew.
        cached_tokens: Tokens of the prompt that others had computed before.
        blocks: Blocks of the prefix cache that hold what it has computed, from its first token on.
        is_chained: Whether its next block can still join them.
        next_block: What its next block is called in the prefix cache, while it stands right before it and the block is
            not there.
        waited_for: The block that it has stood still for, in hope that another sequence computes it.
    """

    tokens: list[int]
    lookup: PromptLookup | None = None
    end: int = 0
    salt: str = ""
    prompt_logprobs: list[TokenLogprob | None] | None = None
    prompt_length: int = field(init=False)
    computed: int = 0
    guesses: list[int] = field(default_factory=list)
    prompt_rows: int = 0
    slot: int = -1
    arrival: int = -1
    reserved: int = 0
    is_fresh: bool = True
    cached_tokens: int = 0
    blocks: list[Block] = field(default_factory=list)
    is_chained: bool = True
    next_block: Key | None = None
    waited_for: Key | None = None

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)
        self.end = max(self.end, self.prompt_length)

    @property
    def generated(self) -> int:
        """Number of generated tokens."""
        return len(self.tokens) - self.prompt_length

    @property
    def is_decoding(self) -> bool:
        """Whether just the last generated token is not computed."""
        return len(self.tokens) - self.computed == 1 and self.computed >= self.prompt_length

    @property
    def wanted_from(self) -> int:
        """The first position whose logits somebody still needs."""
        if self.prompt_logprobs is not None and len(self.prompt_logprobs) < self.prompt_length:
            return len(self.prompt_logprobs) - 1
        return len(self.tokens) - 1

    def forget(self) -> None:
        """Take what was computed as lost; what is known stays."""
        self.computed = 0
        self.is_fresh = False
        self.guesses = []
        self.blocks, self.is_chained, self.next_block = [], True, None
