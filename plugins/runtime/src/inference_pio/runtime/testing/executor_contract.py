"""What every ``Executor`` must do: any schedule gives a single pass's logits, and what must not be is refused.

Inherit in a class called ``Test…`` and say how one is built::

    class TestMyExecutor(ExecutorContract):
        @pytest.fixture
        def build_executor(self):
            return lambda *, slots=5, context=64: ...
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from inference_pio.errors import CacheFullError, NotLoadedError

from ..batch import TokenBatch
from ..executor import Executor

if TYPE_CHECKING:
    from numpy.typing import NDArray

BuildExecutor = Callable[..., Executor]
"""Takes ``slots`` (default 5) and ``context`` (default 64), and returns an executor that has allocated them."""

Part = tuple[int, int, Sequence[int]]
"""Slot, first position, tokens."""


def batch_of(parts: Sequence[Part], rows: Sequence[int] | None = None) -> TokenBatch:
    """Return a batch of pieces of several sequences, with logits of every row unless ``rows`` says which."""
    total = sum(len(tokens) for _, _, tokens in parts)
    return TokenBatch(
        tokens=np.concatenate([np.asarray(tokens, np.int64) for _, _, tokens in parts]),
        slots=np.concatenate([np.full(len(tokens), slot, np.int64) for slot, _, tokens in parts]),
        positions=np.concatenate([np.arange(start, start + len(tokens), dtype=np.int64) for _, start, tokens in parts]),
        logit_rows=np.arange(total) if rows is None else np.asarray(rows, np.int64),
    )


def single_pass(executor: Executor, tokens: Sequence[int]) -> NDArray[np.float32]:
    """Return the logits of a text computed at once in slot 0, which is empty before and after."""
    executor.free(0)
    logits = executor.step(TokenBatch.of_sequence(list(tokens)))
    executor.free(0)
    return logits


class ExecutorContract(ABC):
    """Tests of one executor on a small model."""

    tolerance: ClassVar[float] = 5e-5
    """Greatest difference of a logit between two schedules; 0 for an executor that promises equality to the bit."""

    vocab_size: ClassVar[int] = 37
    """Width of a row of logits; tokens are drawn from below."""

    @pytest.fixture
    @abstractmethod
    def build_executor(self) -> BuildExecutor:
        """Return what builds the executor."""

    def assert_same(self, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
        """Fail where two logits differ by more than the tolerance."""
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= self.tolerance

    def test_it_is_an_executor(self, build_executor: BuildExecutor) -> None:
        executor = build_executor()
        assert isinstance(executor, Executor)
        assert executor.vocab_size == self.vocab_size
        assert executor.name
        assert executor.max_rewind >= 0

    @pytest.mark.parametrize("seed", range(12))
    def test_any_split_and_any_interleaving_give_the_logits_of_a_single_pass(
        self, build_executor: BuildExecutor, seed: int
    ) -> None:
        executor, chance = build_executor(), np.random.default_rng(seed)
        waiting = [chance.integers(0, self.vocab_size, chance.integers(1, 40)).tolist() for _ in range(6)]
        running: dict[int, tuple[list[int], list[NDArray[np.float32]]]] = {}
        ended = []
        while waiting or running:
            free = [slot for slot in range(5) if slot not in running]
            if waiting and free and (not running or chance.random() < 0.5):
                running[int(chance.choice(free))] = (waiting.pop(), [])
            chosen = chance.permutation(sorted(running))[: chance.integers(1, len(running) + 1)].tolist()
            parts: list[Part] = []
            for slot in chosen:
                text, rows = running[slot]
                left = len(text) - len(rows)
                parts.append((slot, len(rows), text[len(rows) :][: int(chance.choice([1, 1, 2, 5, left]))]))
            logits = iter(executor.step(batch_of(parts)))
            for slot, _, tokens in parts:
                text, rows = running[slot]
                rows += [next(logits) for _ in tokens]
                if len(rows) == len(text):
                    ended.append(running.pop(slot))
                    executor.free(slot)
        for text, rows in ended:
            self.assert_same(np.stack(rows), single_pass(executor, text))

    @pytest.mark.parametrize("seed", range(12))
    def test_tokens_that_are_taken_back_leave_no_trace(self, build_executor: BuildExecutor, seed: int) -> None:
        executor, chance = build_executor(), np.random.default_rng(seed)
        texts = {slot: chance.integers(0, self.vocab_size, 40).tolist() for slot in (0, 1, 3)}
        rows: dict[int, list[NDArray[np.float32]]] = {slot: [] for slot in texts}
        while any(len(rows[slot]) < 40 for slot in texts):
            parts: list[Part] = []
            trues = []
            for slot, text in texts.items():
                start = len(rows[slot])
                true = text[start:][: int(chance.choice([1, 1, 2, 9]))]
                guesses = int(chance.integers(0, 1 + min(executor.max_rewind, 64 - start - len(true))))
                if true:
                    parts.append((slot, start, [*true, *chance.integers(0, self.vocab_size, guesses).tolist()]))
                    trues.append(len(true))
            logits = iter(executor.step(batch_of(parts)))
            for (slot, _, tokens), true_count in zip(parts, trues, strict=True):
                rows[slot] += [next(logits) for _ in tokens][:true_count]
        for slot in texts:
            executor.free(slot)
        for slot, text in texts.items():
            self.assert_same(np.stack(rows[slot]), single_pass(executor, text))

    def test_only_the_rows_that_are_asked_for_come_back_and_belong_to_the_caller(
        self, build_executor: BuildExecutor
    ) -> None:
        executor = build_executor()
        whole = single_pass(executor, [1, 2, 3, 4])
        picked = executor.step(batch_of([(0, 0, [1, 2, 3, 4])], rows=[1, 3]))
        assert picked.dtype == np.float32
        self.assert_same(picked, whole[[1, 3]])
        picked[:] = 7  # samplers do that
        executor.free(0)
        self.assert_same(single_pass(executor, [1, 2, 3, 4]), whole)

    def test_a_step_without_logits_still_fills_the_cache(self, build_executor: BuildExecutor) -> None:
        executor = build_executor()
        assert executor.step(batch_of([(0, 0, [5, 6, 7])], rows=[])).shape == (0, self.vocab_size)
        last = executor.step(batch_of([(0, 3, [8])]))
        self.assert_same(last, single_pass(executor, [5, 6, 7, 8])[-1:])

    @pytest.mark.parametrize(
        ("parts", "error", "message"),
        [
            ([(5, 0, [1])], CacheFullError, "slot 5 is not among the 5"),
            ([(-1, 0, [1])], CacheFullError, "slot -1 is not among the 5"),
            ([(0, 64, [1])], CacheFullError, "position 64 is outside the context of 64"),
            ([(0, 1, [1])], ValueError, "without a gap"),
            ([(0, 0, [1]), (1, 0, [1]), (0, 1, [2])], ValueError, "stand together"),
        ],
    )
    def test_a_batch_that_does_not_continue_its_sequences_is_refused_and_harms_nobody(
        self, build_executor: BuildExecutor, parts: list[Part], error: type[Exception], message: str
    ) -> None:
        executor = build_executor()
        executor.step(batch_of([(2, 0, [1, 2, 3])]))
        with pytest.raises(error, match=message):
            executor.step(batch_of(parts))
        after = executor.step(batch_of([(2, 3, [4])]))
        executor.free(2)
        self.assert_same(after, single_pass(executor, [1, 2, 3, 4])[-1:])

    def test_the_context_can_be_filled_to_its_last_place(self, build_executor: BuildExecutor) -> None:
        executor = build_executor(context=12)
        text = list(range(12))
        logits = executor.step(batch_of([(0, 0, text[:-1])]))
        logits = np.concatenate([logits, executor.step(batch_of([(0, 11, text[-1:])]))])
        self.assert_same(logits, single_pass(executor, text))

    def test_allocating_again_forgets_everything(self, build_executor: BuildExecutor) -> None:
        executor = build_executor()
        executor.step(batch_of([(0, 0, [1, 2])]))
        executor.allocate(2, 8)
        executor.step(batch_of([(0, 0, [1, 2])]))
        with pytest.raises(CacheFullError, match="slot 2"):
            executor.step(batch_of([(2, 0, [1])]))

    def test_what_sequences_take_grows_with_them_and_is_nothing_where_there_are_none(
        self, build_executor: BuildExecutor
    ) -> None:
        executor = build_executor()
        assert executor.cache_bytes([]) == executor.cache_bytes([0, 0]) == 0
        sizes = [executor.cache_bytes(lengths) for lengths in ([1], [1, 1], [64, 64], [64, 64, 64, 64, 64])]
        assert 0 < sizes[0] < sizes[-1]
        assert sizes == sorted(sizes)
        executor.step(batch_of([(0, 0, [1, 2]), (3, 0, [1, 2])]))
        assert sizes[0] == executor.cache_bytes([1])  # whatever runs

    def test_a_closed_executor_says_so_and_closing_and_freeing_again_do_nothing(
        self, build_executor: BuildExecutor
    ) -> None:
        executor = build_executor()
        executor.step(batch_of([(0, 0, [1])]))
        executor.close()
        executor.close()
        executor.free(0)
        with pytest.raises(NotLoadedError, match="load the model again"):
            executor.step(batch_of([(0, 1, [1])]))

    def test_steps_may_come_from_different_threads(self, build_executor: BuildExecutor) -> None:
        executor = build_executor()
        rows = [executor.step(batch_of([(0, 0, [1, 2])]))]
        thread = threading.Thread(target=lambda: rows.append(executor.step(batch_of([(0, 2, [3])]))))
        thread.start()
        thread.join()
        executor.free(1)
        rows.append(executor.step(batch_of([(0, 3, list(range(4, 20)))])))
        self.assert_same(np.concatenate(rows), single_pass(executor, [1, 2, *range(3, 20)]))
