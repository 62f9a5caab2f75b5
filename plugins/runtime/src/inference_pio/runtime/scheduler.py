"""The scheduler: which tokens of which sequences are computed in the next step. Knows neither torch nor text.

One rule, as in vLLM v1: each sequence's computed tokens chase its known tokens. A prompt is many known tokens with none
computed; a decoding sequence has exactly one that is not. Whoever catches up may run ahead on guesses while a step is
small: they are computed, but count only once they are known.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from .batch import TokenBatch
from .prompt_lookup import PromptLookup

PREFILL_TOKENS = 512
"""Most tokens in one step: enough to fill a matrix product, few enough that decoding sequences do not stall."""

GUESSING_TOKENS = 16
"""Tokens up to which a step is filled with guesses. A small step waits for the weights to come from memory, and so has
time for a few tokens more; in a larger one each costs as much as it may save."""


@dataclass(eq=False)
class Sequence:
    """One request's tokens.

    Attributes:
        tokens: All known tokens: the prompt, then what was generated.
        lookup: Guesses what follows; ``None`` for a sequence that never runs ahead.
        prompt_length: How many of the tokens are the prompt.
        computed: How many are in the KV cache.
        guesses: What is computed in this step beyond the known tokens.
        slot: Its cache slot; -1 while it waits.
    """

    tokens: list[int]
    lookup: PromptLookup | None = None
    prompt_length: int = field(init=False)
    computed: int = 0
    guesses: list[int] = field(default_factory=list)
    slot: int = -1

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)

    @property
    def generated(self) -> int:
        """Number of generated tokens."""
        return len(self.tokens) - self.prompt_length

    @property
    def is_decoding(self) -> bool:
        """Whether just the last generated token is not computed."""
        return len(self.tokens) - self.computed == 1 and self.computed >= self.prompt_length


class Scheduler:
    """Gives slots to sequences and builds batches: decoding sequences first, then prompts in chunks, first come first.

    Args:
        slots: Sequences that can run at once.
        step_tokens: Most tokens in one batch.
        max_guesses: Most guesses for one sequence in a batch.
    """

    def __init__(self, *, slots: int, step_tokens: int = PREFILL_TOKENS, max_guesses: int = GUESSING_TOKENS) -> None:
        self.step_tokens = max(step_tokens, slots)
        self.max_guesses = max_guesses
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._free = list(range(slots))  # a heap: the lowest slot first keeps used slots together

    @property
    def has_work(self) -> bool:
        """Whether any sequence waits or runs."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence."""
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, finished or not; its slot becomes free."""
        if sequence in self.running:
            self.running.remove(sequence)
            heapq.heappush(self._free, sequence.slot)
            sequence.slot = -1
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def claim(self, sequence: Sequence) -> bool:
        """Give a sequence a slot and let it run; false when none is free."""
        if not self._free:
            return False
        sequence.slot = heapq.heappop(self._free)
        self.running.append(sequence)
        return True

    def next_batch(self) -> tuple[TokenBatch, list[Sequence]]:
        """Choose the next step's tokens and count the known ones as computed; ask only when ``has_work``.

        Returns:
            The batch, and the sequences that are due, in order: each has a logit row for its last known token and for
            each of its ``guesses``.
        """
        while self.waiting and self.claim(self.waiting[0]):
            self.waiting.popleft()
        budget = self.step_tokens
        spans: list[tuple[Sequence, int]] = []
        # Stable sort: decoding sequences before the rest, each group in order of arrival.
        for sequence in sorted(self.running, key=lambda s: not s.is_decoding):
            count = min(len(sequence.tokens) - sequence.computed, budget)
            if count:
                spans.append((sequence, count))
                budget -= count
        spans.sort(key=lambda span: span[0].slot)
        self._guess(spans)
        return self._batch(spans)

    def _guess(self, spans: list[tuple[Sequence, int]]) -> None:
        """Let sequences that catch up in this step run ahead, each by its share of what a small step has time for."""
        guessing = []
        for sequence, count in spans:
            sequence.guesses = []
            if sequence.lookup and sequence.computed + count == len(sequence.tokens):
                guessing.append((sequence, sequence.lookup))
        room = min(GUESSING_TOKENS, self.step_tokens) - sum(count for _, count in spans)
        for sequence, lookup in guessing:
            sequence.guesses = lookup.guess(min(room // len(guessing), self.max_guesses))

    def _batch(self, spans: list[tuple[Sequence, int]]) -> tuple[TokenBatch, list[Sequence]]:
        tokens: list[int] = []
        slots: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        due: list[Sequence] = []
        for sequence, count in spans:
            start = sequence.computed
            sequence.computed += count
            if sequence.computed == len(sequence.tokens):
                rows += range(len(tokens) + count - 1, len(tokens) + count + len(sequence.guesses))
                due.append(sequence)
            tokens += sequence.tokens[start : sequence.computed] + sequence.guesses
            slots += [sequence.slot] * (len(tokens) - len(slots))
            positions += range(start, start + len(tokens) - len(positions))
        arrays = (np.array(values, dtype=np.int64) for values in (tokens, slots, positions, rows))
        return TokenBatch(*arrays), due
