"""An executor without a model: the logits after a text are random numbers seeded by the text, every token of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inference_pio.runtime.batch import TokenBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCAB = 50


class FakeExecutor:
    """Remembers each slot's tokens and checks that every batch continues them; can be told to fail."""

    max_rewind = 16

    def __init__(self, max_context: int = 100) -> None:
        self.name = "fake"
        self.vocab_size = VOCAB
        self.max_context = max_context
        self.texts: dict[int, list[int]] = {}
        self.batches: list[TokenBatch] = []
        self.slots = 0
        self.closed = 0
        self.on_step: Callable[[TokenBatch], None] = lambda batch: None

    def allocate(self, slots: int, context: int) -> None:
        self.slots, self.context = slots, context

    def step(self, batch: TokenBatch) -> NDArray[np.float32]:
        self.batches.append(batch)
        rows = []
        columns = (batch.tokens.tolist(), batch.slots.tolist(), batch.positions.tolist())
        for token, slot, position in zip(*columns, strict=True):
            text = self.texts.setdefault(slot, [])
            assert 0 <= slot < self.slots
            assert len(text) - self.max_rewind <= position <= len(text)
            assert position < self.context
            del text[position:]
            text.append(token)
            rows.append(tuple(text))
        self.on_step(batch)  # after the caches are changed, as a failure in the middle would leave them
        logits = np.zeros((len(batch.logit_rows), VOCAB), np.float32)
        for place, row in enumerate(batch.logit_rows):
            logits[place] = self.logits_after(rows[row])
        return logits

    @staticmethod
    def logits_after(text: tuple[int, ...]) -> NDArray[np.float32]:
        seed = zlib.crc32(np.array(text, np.int64).tobytes())
        return np.random.default_rng(seed).normal(scale=2, size=VOCAB).astype(np.float32)

    def free(self, slot: int) -> None:
        self.texts.pop(slot, None)

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        return sum(lengths)

    def close(self) -> None:
        self.closed += 1


class RepeatingExecutor(FakeExecutor):
    """Sees the last token only, and is rather sure of itself: greedily it goes in circles, which sampling leaves."""

    @staticmethod
    def logits_after(text: tuple[int, ...]) -> NDArray[np.float32]:
        return 2 * FakeExecutor.logits_after(text[-1:])


@pytest.fixture
def executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def new_executor() -> type[FakeExecutor]:
    return FakeExecutor


@pytest.fixture
def repeating() -> type[RepeatingExecutor]:
    return RepeatingExecutor
