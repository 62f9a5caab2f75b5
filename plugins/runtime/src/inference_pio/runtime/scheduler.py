"""The scheduler: which tokens of which sequences are computed in the next step. Knows neither torch nor text.

One rule, as in vLLM v1: each sequence's computed tokens chase its known tokens. A prompt is many known tokens with none
computed; a decoding sequence has exactly one that is not.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from .batch import TokenBatch

PREFILL_TOKENS = 512
"""Most tokens in one step: enough to fill a matrix product, few enough that decoding sequences do not stall."""


@dataclass(eq=False)
class Sequence:
    """One request's tokens.

    Attributes:
        tokens: All known tokens: the prompt, then what was generated.
        prompt_length: How many of them are the prompt.
        computed: How many are in the KV cache.
        slot: Its cache slot; -1 while it waits.
    """

    tokens: list[int]
    prompt_length: int = field(init=False)
    computed: int = 0
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
    """

    def __init__(self, *, slots: int, step_tokens: int = PREFILL_TOKENS) -> None:
        self.step_tokens = max(step_tokens, slots)
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
        """Choose the next step's tokens and count them as computed; ask only when ``has_work``.

        Returns:
            The batch, and the sequence of each logit row, in order.
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
        return self._batch(spans)

    def _batch(self, spans: list[tuple[Sequence, int]]) -> tuple[TokenBatch, list[Sequence]]:
        tokens: list[int] = []
        slots: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        row_sequences: list[Sequence] = []
        for sequence, count in spans:
            start = sequence.computed
            tokens += sequence.tokens[start : start + count]
            slots += [sequence.slot] * count
            positions += range(start, start + count)
            sequence.computed += count
            if sequence.computed == len(sequence.tokens):
                rows.append(len(tokens) - 1)
                row_sequences.append(sequence)
        arrays = (np.array(values, dtype=np.int64) for values in (tokens, slots, positions, rows))
        return TokenBatch(*arrays), row_sequences
