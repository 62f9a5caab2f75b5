"""``WaitingQueue``: sequences without a slot, in order of arrival, and how many there may be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from inference_pio.errors import QueueFullError

if TYPE_CHECKING:
    from .sequence import Sequence


class WaitingQueue:
    """Who waits for a slot. Threads may add while another one takes.

    Args:
        lock: Held while the queue changes; default: none, for one thread.
        most: Sequences that may wait beyond those there is a slot for; ``None`` for any number.
        most_tokens: Tokens that those who wait may have in all; one that waits alone may have any number.
    """

    def __init__(
        self,
        *,
        lock: AbstractContextManager[object] | None = None,
        most: int | None = None,
        most_tokens: int | None = None,
    ) -> None:
        self.tokens = 0
        """Tokens of those who wait."""
        self._lock = lock or nullcontext()
        self._most, self._most_tokens = most, most_tokens
        self._sequences: deque[Sequence] = deque()
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._sequences)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self._sequences)

    @property
    def first(self) -> Sequence:
        """Who is next; ask only when somebody waits."""
        return self._sequences[0]

    def add(self, sequence: Sequence, free: int) -> None:
        """Let a new sequence wait.

        Args:
            sequence: Gets its number in order of arrival.
            free: Slots that are about to be given away.

        Raises:
            QueueFullError: As many wait as may wait.
        """
        with self._lock:
            self._check(len(sequence.tokens), free)
            sequence.arrival = self._arrivals
            self._arrivals += 1
            self._sequences.append(sequence)
            self.tokens += len(sequence.tokens)

    def put_back(self, sequence: Sequence) -> None:
        """Let a sequence wait that was next before."""
        with self._lock:
            self._sequences.appendleft(sequence)
            self.tokens += len(sequence.tokens)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, if it is there."""
        with self._lock:
            if sequence in self._sequences:
                self._sequences.remove(sequence)
                self.tokens -= len(sequence.tokens)

    def repair(self, running: Iterable[Sequence]) -> None:
        """Set right what an interruption has left; a sequence that runs does not wait."""
        with self._lock:
            elsewhere = set(running)
            self._sequences = deque(sequence for sequence in self._sequences if sequence not in elsewhere)
            self.tokens = sum(len(sequence.tokens) for sequence in self._sequences)
            for sequence in self._sequences:
                sequence.slot, sequence.reserved = -1, 0

    def _check(self, tokens: int, free: int) -> None:
        waiting = len(self._sequences)
        if self._most is not None and waiting - free >= self._most:
            raise QueueFullError(f"{waiting} requests wait already, and no more may; ask again later")
        if self._most_tokens is not None and waiting and self.tokens + tokens > self._most_tokens:
            raise QueueFullError(
                f"prompts of {self.tokens} tokens wait already; with the {tokens} of this one they would be more than "
                f"the {self._most_tokens} that may; ask again later"
            )
