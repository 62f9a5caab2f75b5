"""How prompts share what decoding leaves of a step."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .prefix_cache import Key
    from .sequence import Sequence


class PromptShares:
    """Gives half of a step to prompts in order of arrival, and the rest to those with the least left to compute.

    Order of arrival alone makes a question of ten tokens wait for a document of ten thousand; the least first alone
    starves the document; equal shares finish everybody late. So the oldest prompt gets at least half and is done after
    twice its steps whatever comes, and the shortest gets at least half of the rest of the machine at once.

    A sequence whose next block of the prefix cache is computed by another one in the same step waits for that step, and
    so computes nothing that it can copy afterwards. It waits one step for one block and never more: if the block is not
    there then, it computes.

    Args:
        budget: Tokens, at least one for each prompt.
        rows: Rows of logits of prompt tokens, if anybody wants them; every sequence may exceed it by one, so that
            nobody stands still.
        taken: Blocks that nobody needs to compute.
    """

    def __init__(self, budget: int, rows: int, taken: Iterable[Key] = ()) -> None:
        self._budget, self._rows = budget, rows
        self._taken = set(taken)
        self._counts: dict[Sequence, int] = {}
        self._waiting: list[Sequence] = []

    def divide(self, prompts: SequenceOf[Sequence]) -> list[tuple[Sequence, int]]:
        """Return how many tokens each gets, where it is any; ``prompts`` come in order of arrival."""
        self._counts = dict.fromkeys(prompts, 0)
        first = self._budget - self._budget // 2
        for sequence in prompts:
            first -= self._give(sequence, first)
        if self._budget:
            for sequence in sorted(prompts, key=self._left):
                self._give(sequence, self._budget)
        for sequence in self._waiting:
            sequence.waited_for = sequence.next_block
        return [(sequence, count) for sequence, count in self._counts.items() if count]

    def _left(self, sequence: Sequence) -> int:
        return len(sequence.tokens) - sequence.computed - self._counts[sequence]

    def _is_waiting(self, sequence: Sequence) -> bool:
        if sequence.next_block in self._taken and sequence.waited_for != sequence.next_block:
            self._waiting.append(sequence)
            return True
        return False

    def _give(self, sequence: Sequence, most: int) -> int:
        count = min(most, self._left(sequence))
        had = self._counts[sequence]
        if count <= 0 or (not had and self._is_waiting(sequence)):
            return 0
        start = sequence.computed + had
        wanted = sequence.wanted_from
        if wanted < len(sequence.tokens) - 1:
            count = min(count, max(wanted + self._rows, start + 1) - start)
            self._rows -= max(0, start + count - max(wanted, start))
        self._counts[sequence] += count
        self._budget -= count
        if sequence.next_block is not None and had + count >= len(sequence.next_block[1]):
            self._taken.add(sequence.next_block)
        return count
