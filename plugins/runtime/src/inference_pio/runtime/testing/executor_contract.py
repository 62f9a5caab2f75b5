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
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from inference_pio.errors import CacheFullError, NotLoadedError

from ..batch import TokenBatch
from ..executor import Executor, SavesCache

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


def saved_as_computed(
    executor: Executor, text: Sequence[int], cuts: Sequence[int], *, slot: int = 0
) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """Compute a text in pieces that end at ``cuts``, and return each piece's block and the logits of all rows."""
    assert isinstance(executor, SavesCache)
    blocks, rows, start = [], [], 0
    for end in cuts:
        rows.append(executor.step(batch_of([(slot, start, text[start:end])])))
        block = executor.save(slot, start, end)
        assert block is not None, "what the last step has computed can be saved"
        blocks.append(block)
        start = end
    return blocks, np.concatenate(rows)


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

    # What follows is for executors that save their cache.

    @pytest.fixture
    def saving(self, build_executor: BuildExecutor) -> Any:
        """Build an executor, an ``Executor`` and ``SavesCache``; skip where it does not save."""
        executor = build_executor()
        if not isinstance(executor, SavesCache):
            executor.close()
            pytest.skip("this executor does not save its cache, which it need not")
        return executor

    @pytest.mark.parametrize("tokens", [1, 3, 8, 16])
    @pytest.mark.parametrize("seed", range(4))
    def test_what_was_restored_gives_the_logits_of_what_was_computed(self, saving: Any, tokens: int, seed: int) -> None:
        chance = np.random.default_rng(seed)
        text = chance.integers(0, self.vocab_size, 60).tolist()
        whole = single_pass(saving, text)
        blocks, rows = saved_as_computed(saving, text, range(tokens, 60, tokens))
        self.assert_same(rows, whole[: len(rows)])
        for length in {1, 2, int(chance.integers(1, len(blocks) + 1)), len(blocks)}:
            slot = int(chance.integers(2, 5))
            for number in range(min(length, len(blocks))):
                saving.restore(slot, number * tokens, blocks[number])
            at = min(length, len(blocks)) * tokens
            chunk = min(at + int(chance.integers(1, 12)), 59)
            # A chunk or a single token behind it, beside the end of the sequence that was saved; then one more.
            parts: list[Part] = [(slot, at, text[at:chunk])] if chunk > at else []
            logits = saving.step(batch_of([*parts, (0, len(rows), text[len(rows) :])]))
            self.assert_same(logits, np.concatenate([whole[at:chunk], whole[len(rows) :]]))
            self.assert_same(saving.step(batch_of([(slot, chunk, text[chunk : chunk + 1])])), whole[chunk : chunk + 1])
            saving.free(slot)
            saving.free(0)
            saved_as_computed(saving, text, range(tokens, 60, tokens))

    @pytest.mark.parametrize("cuts", [[5, 6, 13, 15, 16, 33, 48, 50], [16, 32, 48], [1, 18, 33, 40, 49, 50]])
    def test_blocks_may_be_of_any_length_and_begin_anywhere(self, saving: Any, cuts: list[int]) -> None:
        text = np.random.default_rng(0).integers(0, self.vocab_size, 60).tolist()
        whole = single_pass(saving, text)
        blocks, _ = saved_as_computed(saving, text, cuts)
        sizes = {block.size / length for block, length in zip(blocks, np.diff([0, *cuts]), strict=True)}
        assert len(sizes) == 1, "every token takes the same number of bytes"
        for start, block in zip([0, *cuts], blocks, strict=False):
            saving.restore(4, start, block)
        self.assert_same(saving.step(batch_of([(4, cuts[-1], text[cuts[-1] :])])), whole[cuts[-1] :])

    def test_what_a_window_has_left_behind_is_saved_as_it_was_or_not_at_all(self, saving: Any) -> None:
        text = [number % self.vocab_size for number in range(64)]
        blocks, _ = saved_as_computed(saving, text, range(4, 65, 4))
        forgotten = 0
        for number, block in enumerate(blocks):
            again = saving.save(0, 4 * number, 4 * number + 4)
            assert again is not None or number == forgotten, "a ring forgets from its oldest token on"
            forgotten += again is None
            assert again is None or np.array_equal(again, block)
        whole = saving.save(0, 0, 64)
        assert (whole is None) == (forgotten > 0)
        if whole is not None:  # one block that is longer than every window
            saving.restore(1, 0, saving.save(0, 0, 63))
            after = saving.step(batch_of([(1, 63, text[63:])]))
            self.assert_same(after, single_pass(saving, text)[63:])

    @pytest.mark.parametrize("back", [1, 5, 16])
    def test_a_restored_sequence_can_go_back(self, saving: Any, back: int) -> None:
        back = min(back, saving.max_rewind)
        text = np.random.default_rng(back).integers(0, self.vocab_size, 60).tolist()
        other = text[: 48 - back] + text[:10]
        blocks, _ = saved_as_computed(saving, text, range(8, 49, 8))
        for number, block in enumerate(blocks):
            saving.restore(3, 8 * number, block)
        logits = saving.step(batch_of([(3, 48 - back, other[48 - back :])]))
        self.assert_same(logits, single_pass(saving, other)[48 - back :])

    def test_a_block_belongs_to_the_caller_and_is_only_read(self, saving: Any) -> None:
        (block,), _ = saved_as_computed(saving, [1, 2, 3], [3])
        kept = block.copy()
        block.flags.writeable = False
        for slot in (1, 2):
            saving.restore(slot, 0, block)
        saving.step(batch_of([(0, 3, [4]), (1, 2, [9, 9]), (2, 3, [5])]))
        saving.free(0)
        assert np.array_equal(block, kept)
        apart = np.repeat(block, 2)[::2]
        saving.restore(4, 0, apart)
        self.assert_same(saving.step(batch_of([(4, 3, [4])])), single_pass(saving, [1, 2, 3, 4])[3:])

    def test_what_is_no_block_of_this_place_is_refused_and_changes_nothing(self, saving: Any) -> None:
        (block,), _ = saved_as_computed(saving, [1, 2, 3], [3])
        saving.restore(1, 0, block)
        for slot, start, given, error, message in (
            (1, 3, block[:-1], ValueError, "for each token"),
            (1, 3, block[:0], ValueError, "for each token"),
            (1, 3, block.reshape(3, -1), ValueError, "for each token"),
            (1, 3, block.astype(np.int8), ValueError, "for each token"),
            (1, 4, block, ValueError, "holds 3 tokens: no block can be put at position 4"),
            (1, 2, block, ValueError, "holds 3 tokens: no block can be put at position 2"),
            (2, 3, block, ValueError, "holds 0 tokens"),
            (2, -1, block, ValueError, "holds 0 tokens"),
            (5, 0, block, CacheFullError, "slot 5 is not among the 5"),
            (-1, 0, block, CacheFullError, "slot -1 is not among the 5"),
            (1, 3, np.resize(block, block.size // 3 * 62), CacheFullError, "position 64 is outside the context of 64"),
        ):
            with pytest.raises(error, match=message):
                saving.restore(slot, start, given)
        after = saving.step(batch_of([(1, 3, [4]), (2, 0, [1])]))
        saving.free(1)
        whole = single_pass(saving, [1, 2, 3, 4])
        self.assert_same(after, whole[[3, 0]])

    def test_only_what_a_sequence_holds_can_be_saved(self, saving: Any) -> None:
        saving.step(batch_of([(1, 0, [1, 2, 3])]))
        for slot, start, end in ((1, 0, 4), (1, 3, 4), (1, 2, 2), (1, 2, 1), (1, -1, 2), (0, 0, 1)):
            with pytest.raises(ValueError, match="tokens, and no positions"):
                saving.save(slot, start, end)
        for slot in (-1, 5):
            with pytest.raises(CacheFullError, match="is not among the 5 allocated ones"):
                saving.save(slot, 0, 1)

    def test_a_sequence_goes_on_from_a_block_after_a_batch_that_was_refused(self, saving: Any) -> None:
        text = list(range(20))
        blocks, _ = saved_as_computed(saving, text, [8, 16])
        saving.restore(1, 0, blocks[0])
        with pytest.raises(ValueError, match="without a gap"):
            saving.step(batch_of([(1, 8, [7]), (2, 5, [7])]))
        saving.restore(1, 8, blocks[1])
        self.assert_same(saving.step(batch_of([(1, 16, text[16:])])), single_pass(saving, text)[16:])

    def test_blocks_fill_the_context_to_its_last_place_and_a_freed_slot_starts_afresh(self, saving: Any) -> None:
        saving.allocate(2, 12)
        text = list(range(12))
        blocks, _ = saved_as_computed(saving, text, [4, 8, 12])
        for number, block in enumerate(blocks):
            saving.restore(1, 4 * number, block)
        with pytest.raises(CacheFullError, match="position 15 is outside the context of 12"):
            saving.restore(1, 12, blocks[0])
        saving.free(1)
        saving.restore(1, 0, blocks[0])
        self.assert_same(saving.step(batch_of([(1, 4, text[4:])])), single_pass(saving, text)[4:])

    def test_a_closed_executor_neither_saves_nor_restores(self, saving: Any) -> None:
        (block,), _ = saved_as_computed(saving, [1], [1])
        saving.close()
        with pytest.raises(NotLoadedError, match="load the model again"):
            saving.save(0, 0, 1)
        with pytest.raises(NotLoadedError, match="load the model again"):
            saving.restore(0, 1, block)

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
