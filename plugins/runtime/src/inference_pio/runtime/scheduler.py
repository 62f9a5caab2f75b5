"""The scheduler: which tokens of which sequences are computed in the next step. Knows neither torch nor text.

One rule, as in vLLM v1: each sequence's computed tokens chase its known tokens. A prompt is many known tokens with none
computed; a decoding sequence has exactly one that is not; a sequence that lost its slot starts anew. Whoever catches up
may run ahead on guesses while a step is small: they are computed, but count only once they are known.

What it promises, and the tests assert at every step:

- Slots go to sequences in order of arrival, and nobody is overtaken: whatever runs arrived before whatever waits. A
  large prompt that does not fit yet holds up those behind it, but only until those before it have ended; letting small
  ones pass would be faster for them, and would starve it.
- Every decoding sequence is in every batch.
- Of what a step has left for prompts, at least half goes in order of arrival, so that a long prompt is computed after
  a bounded number of steps whatever comes behind it. The rest goes to the prompt with the least left to compute, so
  that a short one does not wait for the long one before it.
- When memory runs out, the sequence that arrived last gives its slot back and waits again, before all others.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from .batching import build_batch
from .cache_budget import CacheBudget
from .prompt_shares import PromptShares
from .waiting import WaitingQueue

if TYPE_CHECKING:
    from .batch import TokenBatch
    from .prefix_cache import Key, PrefixCache
    from .prompt_lookup import PromptLookup
    from .sequence import Sequence

PREFILL_TOKENS = 512
"""Most tokens in one step: enough to fill a matrix product, few enough that decoding sequences do not stall."""

GUESSING_TOKENS = 16
"""Tokens up to which a step is filled with guesses. A small step waits for the weights to come from memory, and so has
time for a few tokens more; in a larger one each costs as much as it may save."""

RESTORE_TOKENS = 8192
"""Tokens that are restored between two steps at most while anybody decodes: copying them takes as long as a step."""


class Scheduler:
    """Gives slots and memory to sequences, and builds batches.

    Args:
        slots: Sequences that can run at once.
        step_tokens: Most tokens in one batch.
        max_guesses: Most guesses for one sequence in a batch.
        prompt_rows: Rows of logits of prompt tokens in one batch, beside those that choose a token.
        budget: Memory for keys and values; default: any.
        prefixes: Blocks that need not be computed again.
        free: Called with a slot that is given back.
        waiting: Where sequences wait; default: without limits.
    """

    def __init__(
        self,
        *,
        slots: int,
        step_tokens: int = PREFILL_TOKENS,
        max_guesses: int = GUESSING_TOKENS,
        prompt_rows: int = PREFILL_TOKENS,
        budget: CacheBudget | None = None,
        prefixes: PrefixCache | None = None,
        free: Callable[[int], None] = lambda slot: None,
        waiting: WaitingQueue | None = None,
    ) -> None:
        self.step_tokens = max(step_tokens, slots)
        self.max_guesses, self.prompt_rows = min(max_guesses, GUESSING_TOKENS), prompt_rows
        self.budget = budget or CacheBudget(lambda lengths: 0, None, sys.maxsize)
        self.prefixes = prefixes
        self.waiting = WaitingQueue() if waiting is None else waiting  # an empty one is false
        self.running: list[Sequence] = []
        """In order of arrival, as are those who wait."""
        self.preemptions = 0
        self._slots = slots
        self._free = list(range(slots))  # a heap: the lowest slot first keeps used slots together
        self._free_slot = free
        self._spans: list[tuple[Sequence, int]] = []
        self._is_held = False  # let nobody in before somebody has left
        self._has_changed = False  # who runs, since memory was counted

    @property
    def has_work(self) -> bool:
        """Whether any sequence waits or runs."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence.

        Raises:
            QueueFullError: As many wait as may wait.
        """
        self.waiting.add(sequence, 0 if self._is_held else len(self._free))

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, finished or not; its slot and its memory become free."""
        if sequence.slot >= 0:
            self._release(sequence)
            self._is_held = False
            if not self.running:
                self.budget.count(())
        else:
            self.waiting.remove(sequence)

    def borrow_slot(self) -> int | None:
        """Take a free slot for something else than a sequence; ``None`` when none is free."""
        return heapq.heappop(self._free) if self._free else None

    def return_slot(self, slot: int) -> None:
        """Give a borrowed slot back."""
        heapq.heappush(self._free, slot)
        self._free_slot(slot)

    def next_batch(self) -> tuple[TokenBatch, list[Sequence]]:
        """Choose the next step's tokens and count the known ones as computed; ask only when ``has_work``.

        Returns:
            The batch, and the sequences that are due, in order: each has its ``prompt_rows`` rows of logits and, if all
            it knows is now computed, one for its last known token and for each of its ``guesses``.
        """
        self._make_room()
        self._admit()
        if self._has_changed:
            self.budget.count(self.running)
            self._has_changed = False
        spans: list[tuple[Sequence, int]] = []
        prompts: list[Sequence] = []
        for sequence in self.running:
            if sequence.is_decoding:
                spans.append((sequence, 1))
            else:
                prompts.append(sequence)
        if prompts:
            taken = self._restore(prompts, math.inf if not spans else RESTORE_TOKENS)
            spans += PromptShares(self.step_tokens - len(spans), self.prompt_rows, taken).divide(prompts)
        spans.sort(key=lambda span: span[0].slot)
        self._spans = spans
        self._guess(spans)
        return build_batch(spans)

    def give_way(self) -> bool:
        """Take back the last batch, which was not computed for want of memory, and preempt a sequence.

        Nobody is let in before one of those that run has ended: it would be sent away again.

        Returns:
            Whether that helps; not if one sequence has all memory for itself.
        """
        for sequence, count in self._spans:
            sequence.computed -= count
            sequence.guesses = []
        self._spans = []
        if self._is_alone():
            return False
        self._preempt()
        self._is_held = True
        return True

    def rewind(self) -> None:
        """Let all that runs be computed anew, and set right what an interruption at any point has left."""
        self.running = [sequence for sequence in self.running if sequence.slot >= 0]
        self.waiting.repair(self.running)
        self._free = sorted(set(range(self._slots)) - {sequence.slot for sequence in self.running})
        for sequence in self.running:
            sequence.forget()
        for slot in range(self._slots):
            self._free_slot(slot)

    def _make_room(self) -> None:
        """Set memory aside for those who grow; when there is none left, the last to arrive gives way."""
        has_grown = False
        for sequence in self.running:
            needed = self._needed(sequence)
            if sequence.reserved < needed and sequence.reserved < sequence.end:
                self.budget.reserve(sequence, needed)
                has_grown = True
        while has_grown and not self.budget.count(self.running) and not self._is_alone():
            self._preempt()

    def _needed(self, sequence: Sequence) -> int:
        """Tokens of a sequence that the next step can bring into the cache at most."""
        return len(sequence.tokens) + (self.max_guesses if sequence.lookup else 0)

    def _admit(self) -> None:
        if not self.waiting or not self._free or (self._is_held and self.running):
            return
        while self.waiting and self._free:
            sequence = self.waiting.first
            self.budget.reserve(sequence, self._needed(sequence))
            if self.running and not self.budget.has_room(self.running, self._free[0], sequence.reserved):
                self._is_held = True  # what runs only grows, so there is no need to ask before somebody has left
                break
            sequence.slot = heapq.heappop(self._free)
            self.running.append(sequence)
            self.waiting.remove(sequence)
            self._has_changed = True

    def _is_alone(self) -> bool:
        """Whether one sequence has the memory for itself. In a higher slot it may need more than in the first one."""
        return len(self.running) == 1 and self.running[0].slot == 0

    def _preempt(self) -> None:
        """Send the sequence that arrived last back to the front of the queue: it knows all it knew, and has nothing."""
        sequence = self.running[-1]
        sequence.forget()
        self.waiting.put_back(sequence)
        self._release(sequence)
        self.preemptions += 1

    def _release(self, sequence: Sequence) -> None:
        slot = sequence.slot
        self.running.remove(sequence)
        heapq.heappush(self._free, slot)
        sequence.slot, sequence.reserved = -1, 0
        self._has_changed = True
        self._free_slot(slot)

    def _restore(self, prompts: list[Sequence], most: float) -> set[Key]:
        """Copy what is in the prefix cache, and return the blocks that are left for the next step."""
        if self.prefixes is None:
            return set()
        left = set()
        for sequence in prompts:
            most -= self.prefixes.restore(sequence, most)
            if sequence.next_block is not None and sequence.next_block in self.prefixes:
                left.add(sequence.next_block)
        return left

    def _guess(self, spans: list[tuple[Sequence, int]]) -> None:
        """Let sequences that catch up in this step run ahead, each by its share of what a small step has time for."""
        room = min(GUESSING_TOKENS, self.step_tokens) - sum(count for _, count in spans)
        guessing: list[tuple[Sequence, PromptLookup]] = []
        for sequence, count in spans:
            sequence.guesses = []
            if sequence.lookup and sequence.computed + count == len(sequence.tokens):
                guessing.append((sequence, sequence.lookup))
        for sequence, lookup in guessing:
            sequence.guesses = lookup.guess(min(room // len(guessing), self.max_guesses))
