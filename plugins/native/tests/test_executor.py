"""The native executor keeps the contract of executors to the bit, and computes what the program says."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference_pio.errors import CacheFullError
from inference_pio.native import executor as executor_module
from inference_pio.native.errors import NativeMemoryError
from inference_pio.native.executor import NativeExecutor
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.executor import CountsReads
from inference_pio.runtime.program import DecodeProgram
from inference_pio.runtime.testing.executor_contract import BuildExecutor, ExecutorContract, batch_of, single_pass

from .synthetic import QUANTIZED
from .tiny import (
    HEAD,
    HEADS,
    HIDDEN,
    KEY_HEADS,
    VOCAB,
    WIDTH,
    WINDOWS,
    TinyPlugin,
    build_program,
    checkpoint_of,
    interpreter,
    load,
    relative_difference,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_LOSS = 2e-3
"""Float32 weights lose what a KV cache in half precision loses: eleven bits, through three layers."""

QUANTIZED_LOSS = 0.1
"""Activations are rounded to eight bits, and logits of random weights have no margin; a bug gives one and more."""

TEXT = list(range(1, 31))


class TestNativeExecutor(ExecutorContract):
    """Float32 weights; equality to the bit is promised, whatever the schedule."""

    tolerance = 0.0
    vocab_size = VOCAB

    @pytest.fixture
    def build_executor(self, tmp_path: Path) -> BuildExecutor:
        return builder(tmp_path, "F32")


class TestQuantized(ExecutorContract):
    """Q4_1 as in real files, the embedding in Q8_0, and several threads."""

    tolerance = 0.0
    vocab_size = VOCAB

    @pytest.fixture
    def build_executor(self, tmp_path: Path) -> BuildExecutor:
        return builder(tmp_path, "Q4_1", threads=3)


def builder(
    folder: Path, kind: str, *, program: DecodeProgram | None = None, **options: Any
) -> Callable[..., NativeExecutor]:
    program = program or build_program()
    plugin = TinyPlugin(program)
    checkpoint = checkpoint_of(program, folder / "w.gguf", lambda name: "Q8_0" if "embed" in name else kind)

    def build(*, slots: int = 5, context: int = program.max_context) -> NativeExecutor:
        executor = load(checkpoint, plugin, **options)
        executor.allocate(slots, context)
        return executor

    return build


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", *QUANTIZED])
def test_every_storage_type_gives_what_the_interpreter_gives(tmp_path: Path, kind: str) -> None:
    plugin = TinyPlugin(build_program(is_tied=False))
    assert plugin.program is not None
    checkpoint = checkpoint_of(plugin.program, tmp_path / "w.gguf", lambda name: kind)
    executor = load(checkpoint, plugin)
    executor.allocate(5, 64)
    expected = interpreter(checkpoint, plugin).step(TokenBatch.of_sequence(TEXT))
    logits = executor.step(TokenBatch.of_sequence(TEXT))
    allowed = QUANTIZED_LOSS if kind in QUANTIZED else EXACT_LOSS
    assert relative_difference(logits, expected) < allowed


def test_its_name_says_what_it_computes_with(tmp_path: Path) -> None:
    words = builder(tmp_path, "F32")().name.split()
    assert words[0] == "native"
    assert words[-3:] == ["cpu", "2", "threads"]


def test_a_token_reads_every_weight_once_and_what_its_windows_hold(tmp_path: Path) -> None:
    executor = builder(tmp_path, "F32")()
    assert executor.engine is not None
    row = WIDTH + WIDTH // 32 * 2  # Q8_0: bytes, and a scale for each group
    embedding = (48 + 1) * row  # the tied head, whose 37 rows are three blocks, and the token's own row
    blocks = len(WINDOWS) * 4 * (2 * HEADS * HEAD + 2 * KEY_HEADS * HEAD + 3 * HIDDEN) * WIDTH
    seen = sum(min(window or 50, 50) for window in WINDOWS)
    assert isinstance(executor, CountsReads)
    assert executor.bytes_per_token(50) == embedding + blocks + seen * 2 * KEY_HEADS * HEAD * 2
    executor.close()
    assert executor.bytes_per_token(50) == 0


@pytest.mark.parametrize(("dtype", "loss"), [("w8", 0.02), ("w4", 0.3)])
def test_float_weights_are_rounded_on_request_and_the_loss_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, dtype: str, loss: float
) -> None:
    plugin = TinyPlugin(build_program())
    assert plugin.program is not None
    checkpoint = checkpoint_of(plugin.program, tmp_path / "w.gguf")
    expected = interpreter(checkpoint, plugin).step(TokenBatch.of_sequence(TEXT))
    for _ in range(2):  # the second time from the cache
        executor = load(checkpoint, plugin, dtype=dtype)
        executor.allocate(1, 64)
        assert f"native {dtype} " in executor.name
        assert relative_difference(executor.step(TokenBatch.of_sequence(TEXT)), expected) < loss
    said = [record.getMessage() for record in caplog.records if "rounded" in record.getMessage()]
    assert len(said) == 2
    assert f"tiny: float weights are rounded to {dtype}" in said[0] == said[1]


def test_large_caches_are_given_back_when_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = builder(tmp_path, "F32")()
    monkeypatch.setattr(executor_module, "IDLE_BYTES", 1000)
    executor.step(batch_of([(0, 0, [1, 2]), (1, 0, [1, 2, 3])]))
    assert executor.engine is not None
    executor.free(0)
    assert executor.engine.stats()["cache_bytes"] > 1000  # slot 1 still runs
    executor.free(1)
    assert executor.engine.stats()["cache_bytes"] == 0
    executor.step(batch_of([(0, 0, [1, 2])]))


def test_a_sliding_layer_takes_no_more_memory_however_long_the_text_is(tmp_path: Path) -> None:
    executor = builder(tmp_path, "F32")(context=64)
    sizes = []
    for at in range(64):
        executor.step(TokenBatch.of_sequence([at % VOCAB], start=at))
        assert executor.engine is not None
        sizes.append(executor.engine.stats()["cache_bytes"])
    assert sizes[-1] == sizes[0]  # one page holds all of it


@pytest.mark.parametrize("start", [300, 900, 1000, 1023, 1024, 1025, 1279, 1280])
@pytest.mark.parametrize("guesses", [1, 255, 511])
def test_guesses_that_are_taken_back_leave_no_trace_in_a_ring(
    build_long: BuildExecutor, start: int, guesses: int
) -> None:
    """A ring of this window has 1024 places: its pages are taken again at all of these positions, and near them."""
    executor, chance = build_long(), np.random.default_rng(start)
    text = chance.integers(0, VOCAB, start + 30).tolist()
    wrong = chance.integers(0, VOCAB, guesses).tolist()
    expected = single_pass(executor, text)
    executor.step(batch_of([(0, 0, text[:start])], rows=[]))
    rows = [executor.step(batch_of([(0, start, [text[start], *wrong])]))[:1]]
    rows.append(executor.step(batch_of([(0, start + 1, text[start + 1 : start + 2])])))
    rows.append(executor.step(batch_of([(0, start + 2, text[start + 2 :])])))
    assert np.array_equal(np.concatenate(rows), expected[start:])


def test_a_sequence_cannot_go_back_further_than_its_ring_reaches(build_long: BuildExecutor) -> None:
    executor = build_long()
    executor.step(batch_of([(0, 0, [1] * 1500)], rows=[]))
    assert executor.max_rewind == 512
    with pytest.raises(ValueError, match="cannot go back by 513 tokens, only by 512"):
        executor.step(batch_of([(0, 1500 - 513, [1])]))
    executor.step(batch_of([(0, 1500 - 512, [1])]))


@pytest.mark.parametrize("length", [32, 256, 992, 1024, 1056, 1856])
def test_blocks_that_are_restored_fill_a_ring_as_computing_them_does(build_long: BuildExecutor, length: int) -> None:
    """A ring has 1024 places here: blocks go once around, and up to its pages' borders."""
    executor = build_long()
    assert isinstance(executor, NativeExecutor)
    text = np.random.default_rng(length).integers(0, VOCAB, 1900).tolist()
    blocks: list[NDArray[np.uint8] | None] = []
    for start in range(0, 1900, 500):
        executor.step(batch_of([(0, start, text[start : start + 500])], rows=[]))
        for at in range(32 * len(blocks), min(start + 500, 1900) - 31, 32):
            blocks.append(executor.save(0, at, at + 32))
    assert executor.save(0, 0, 32) is None
    executor.free(0)
    expected = executor.step(batch_of([(0, 0, text)]))
    for number, block in enumerate(blocks[: length // 32]):
        assert block is not None
        executor.restore(3, 32 * number, block)
    rows = [executor.step(batch_of([(3, length, text[length : length + 1])]))]
    rows.append(executor.step(batch_of([(3, length + 1, text[length + 1 :])])))
    assert np.array_equal(np.concatenate(rows), expected[length:])
    executor.free(3)
    for number, block in enumerate(blocks[: length // 32]):
        assert block is not None
        executor.restore(3, 32 * number, block)
    back = max(0, length - executor.max_rewind)
    assert np.array_equal(executor.step(batch_of([(3, back, text[back:])])), expected[back:])


@pytest.mark.parametrize("is_computed", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, NativeMemoryError])
def test_a_block_goes_over_a_step_that_was_interrupted_or_failed(
    build_long: BuildExecutor, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], is_computed: bool
) -> None:
    executor, text = build_long(), [number % VOCAB for number in range(80)]
    assert isinstance(executor, NativeExecutor)
    executor.step(batch_of([(0, 0, text[:64])]))
    blocks = [executor.save(0, start, start + 32) for start in (0, 32)]
    expected = executor.step(batch_of([(0, 64, text[64:])]))
    engine = executor.engine
    assert engine is not None
    real = engine.step, engine.restore

    def broken(place: int) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if is_computed and error is KeyboardInterrupt:
                real[place](*arguments)
            raise error("now")

        return call

    assert blocks[0] is not None
    assert blocks[1] is not None
    executor.restore(1, 0, blocks[0])
    with monkeypatch.context() as patched:
        patched.setattr(engine, "step", broken(0))
        patched.setattr(engine, "restore", broken(1))
        with pytest.raises((KeyboardInterrupt, CacheFullError)):
            executor.step(batch_of([(1, 32, [9] * 40)]))
        with pytest.raises((KeyboardInterrupt, CacheFullError)):
            executor.restore(1, 32, blocks[0])
    executor.restore(1, 32, blocks[1])
    assert np.array_equal(executor.step(batch_of([(1, 64, text[64:])])), expected)


@pytest.fixture
def build_long(tmp_path: Path) -> BuildExecutor:
    return builder(tmp_path, "Q4_1", program=build_program(max_context=2048, windows=(256, None, 4)))


def test_a_step_that_fails_counts_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = builder(tmp_path, "F32")()
    before = executor.step(batch_of([(0, 0, [1, 2])]))

    def out_of_memory(*arrays: Any) -> Any:
        raise NativeMemoryError("no page")

    with monkeypatch.context() as patched:
        patched.setattr(executor.engine, "step", out_of_memory)
        with pytest.raises(CacheFullError, match="no memory is left for the KV cache: no page"):
            executor.step(batch_of([(0, 2, [3])]))
    after = executor.step(batch_of([(0, 2, [3])]))
    executor.free(0)
    whole = executor.step(batch_of([(0, 0, [1, 2, 3])]))
    assert np.array_equal(np.concatenate([before, after]), whole)


def test_a_token_outside_the_vocabulary_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    executor = builder(tmp_path, "F32")()
    executor.step(batch_of([(0, 0, [1, 2])]))
    for token in (-1, VOCAB, 1 << 40):
        with pytest.raises(ValueError, match="token"):
            executor.step(batch_of([(0, 2, [token])]))
    after = executor.step(batch_of([(0, 2, [3])]))
    executor.free(0)
    assert np.array_equal(after, executor.step(batch_of([(0, 0, [1, 2, 3])]))[-1:])


def test_an_overflow_of_one_sequence_does_not_reach_others(tmp_path: Path) -> None:
    plugin = TinyPlugin(build_program(is_tied=False))
    assert plugin.program is not None
    checkpoint = checkpoint_of(plugin.program, tmp_path / "w.gguf")
    checkpoint.raw("embed_tokens.weight")[36].view(np.float32)[:] = np.nan
    executor = load(checkpoint, plugin)
    executor.allocate(3, 64)
    expected = executor.step(batch_of([(0, 0, [1, 2, 3])]))
    executor.free(0)
    together = executor.step(batch_of([(0, 0, [36, 1]), (1, 0, [1, 2, 3])]))
    assert np.isnan(together[:2]).all()
    assert np.array_equal(together[2:], expected)
    executor.free(0)
    assert np.array_equal(executor.step(batch_of([(0, 0, [1, 2, 3])])), expected)  # in the slot that was poisoned


def test_starting_and_stopping_leaks_neither_threads_nor_memory(tmp_path: Path) -> None:
    build = builder(tmp_path, "Q4_1", threads=3)

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list a process's threads")
    for close in (True, False):
        build().close()
        before = threads()
        for _ in range(20):
            executor = build()
            executor.step(batch_of([(0, 0, [1, 2])]))
            if close:
                executor.close()
        del executor
        gc.collect()
        assert threads() <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # it is what is tested
def test_a_forked_child_computes_the_same_and_ends(tmp_path: Path) -> None:
    executor = builder(tmp_path, "Q4_1")()
    expected = executor.step(batch_of([(0, 0, TEXT)]))
    child = os.fork()
    if not child:
        executor.free(0)
        same = np.array_equal(executor.step(batch_of([(0, 0, TEXT)])), expected)
        executor.close()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    executor.free(0)
    assert np.array_equal(executor.step(batch_of([(0, 0, TEXT)])), expected)
