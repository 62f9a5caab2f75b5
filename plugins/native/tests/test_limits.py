"""What happens at the limits of an engine: no memory, two threads at once, an end in the middle of a step."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_pio.errors import CacheFullError
from inference_pio.memory import Memory
from inference_pio.native import executor as executor_module
from inference_pio.native import loading
from inference_pio.native.engine import Engine
from inference_pio.native.errors import NativeArgumentError, NativeError, NativeMemoryError
from inference_pio.native.structures import MOST_THREADS, CacheType, OperationKind
from inference_pio.runtime.batch import TokenBatch

from .synthetic import Assembly, batch
from .test_executor import builder

ROWS, WIDTH, WINDOW, MAX_TOKENS = 8, 32, 256, 64
PAGE = 2 * 256 * 16 * 2
"""Bytes of a page of one key head of width 16."""


def attention_engine(
    *, windows: tuple[int, ...] = (0, WINDOW), slots: int = 2, context: int = 1 << 20, **options: Any
) -> Engine:
    """Attention over random queries, keys and values of 8 tokens, once for each window."""
    parts = Assembly()
    values = np.random.default_rng(0).standard_normal((ROWS, 48)).astype(np.float32)
    source = parts.rows(values)
    for window in windows:
        target = parts.buffer(16)
        layer = parts.layer(1, 16, window)
        columns = {"in_column": 0, "key_column": 16, "value_column": 32}
        parts.add(OperationKind.ATTENTION, in_=source, out=target, heads=1, layer=layer, **columns)
    return parts.engine(slots=slots, context=context, max_tokens=MAX_TOKENS, **options)


def run(engine: Engine, *spans: tuple[int, int, int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Compute spans of tokens that repeat, and return what attention makes of the last piece."""
    arrays = batch(*spans, logits=[])
    engine.step(arrays[0] % ROWS, *arrays[1:])
    return np.concatenate([engine.read_buffer(number, MAX_TOKENS) for number in (1, 2)], axis=1)


def test_a_step_for_which_there_is_no_memory_changes_nothing() -> None:
    engine, other = attention_engine(), attention_engine()
    engine.allocate(2, 1 << 20, cache_bytes=12 * PAGE)
    for each in (engine, other):
        run(each, (0, 0, 600))
    before = engine.stats()
    # A sliding layer must not believe that it has been overwritten, nor a new sequence keep pages.
    for spans in (((0, 600, 10_000),), ((1, 0, 100), (0, 600, 10_000))):
        with pytest.raises(NativeMemoryError, match="keys and values fill"):
            run(engine, *spans)
    after = engine.stats()
    assert after["cache_bytes"] <= 12 * PAGE
    assert (after["steps"], after["tokens"]) == (before["steps"], before["tokens"])
    assert np.array_equal(run(engine, (0, 600, 1)), run(other, (0, 600, 1)))
    run(engine, (1, 0, 300))  # the pages that the refused step had taken are free again


def test_a_block_for_which_there_is_no_memory_changes_nothing() -> None:
    engine, other = attention_engine(), attention_engine()
    engine.allocate(2, 1 << 20, cache_bytes=9 * PAGE)
    for each in (engine, other):
        run(each, (0, 0, 600))
    block = engine.save(0, 344, 600)
    assert block is not None
    assert engine.stats()["cache_bytes"] == 6 * PAGE
    engine.restore(0, 600, 601, block[: engine.token_bytes])  # what it says does not matter here
    run(engine, (0, 600, 1))
    run(engine, (1, 0, 10))
    before = engine.stats()["cache_bytes"]
    for slot, start in ((0, 601), (1, 10)):  # one page of two is left for the one, and a second page for the other
        with pytest.raises(NativeMemoryError, match="keys and values fill"):
            engine.restore(slot, start, start + 1000, np.resize(block, 1000 * engine.token_bytes))
    assert engine.stats()["cache_bytes"] <= 9 * PAGE
    assert before == 8 * PAGE
    engine.restore(1, 10, 256, np.resize(block, 246 * engine.token_bytes))  # the page it has
    run(other, (0, 600, 1))
    assert np.array_equal(run(engine, (0, 601, 1)), run(other, (0, 601, 1)))


def test_an_executor_says_that_no_memory_is_left_for_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = builder(tmp_path, "F32")()
    page_bytes = executor.cache_bytes([1])
    free = Memory(total=10 * page_bytes, available=int(1.5 * page_bytes / executor_module.CACHE_SHARE))
    monkeypatch.setattr(executor_module, "machine_memory", lambda: free)
    executor.allocate(2, 64)
    executor.step(TokenBatch.of_sequence([1, 2]))
    block = executor.save(0, 0, 2)
    assert block is not None
    with pytest.raises(CacheFullError, match="no memory is left for the KV cache"):
        executor.restore(1, 0, block)
    executor.free(0)
    executor.restore(1, 0, block)
    expected = executor.step(TokenBatch.of_sequence([3], start=2, slot=1))
    executor.free(1)
    assert np.array_equal(executor.step(TokenBatch.of_sequence([1, 2, 3]))[2:], expected)


@pytest.mark.parametrize("cache_type", CacheType)
@pytest.mark.parametrize("start", [0, 1, 15, 16, 240, 255, 256, 500])
@pytest.mark.parametrize("count", [1, 5, 16, 17, 256, 300])
def test_keys_and_values_of_any_positions_are_copied(cache_type: CacheType, start: int, count: int) -> None:
    engine, end = attention_engine(slots=3, cache_type=cache_type), start + count
    for begin, stop in ((0, start), (start, end)):
        if begin == stop:
            continue
        run(engine, (0, begin, stop - begin))
        block = engine.save(0, begin, stop)
        assert block is not None
        engine.restore(1, begin, stop, block)
    again = engine.save(1, start, end)
    assert block is not None
    assert again is not None
    assert np.array_equal(again, block)
    assert np.array_equal(run(engine, (1, end, 8)), run(engine, (0, end, 8)))


@pytest.mark.parametrize("cache_type", CacheType)
@pytest.mark.parametrize("lengths", [[1], [256], [257], [0, 512, 1], [576, 577, 767, 768, 769], [5000, 3, 0, 1024]])
@pytest.mark.parametrize("windows", [(0, WINDOW), (0, WINDOW, WINDOW, 0, WINDOW)], ids=len)
def test_what_sequences_take_is_known_before(
    cache_type: CacheType, lengths: list[int], windows: tuple[int, ...]
) -> None:
    engine = attention_engine(windows=windows, slots=len(lengths), cache_type=cache_type)
    run(engine, *((slot, 0, length) for slot, length in enumerate(lengths) if length))
    assert engine.stats()["cache_bytes"] == engine.cache_bytes(lengths)


def test_pages_of_a_sequence_that_ended_are_used_again() -> None:
    engine = attention_engine(slots=4)
    run(engine, (0, 0, 1000), (1, 0, 1000))
    most = engine.stats()["cache_bytes"]
    chance = np.random.default_rng(1)
    for _ in range(200):
        slot = int(chance.integers(4))
        for each in (0, 1, 2, 3):
            engine.free_slot(each)
        run(engine, (slot, 0, int(chance.integers(1, 1001))), ((slot + 1) % 4, 0, int(chance.integers(1, 1001))))
        assert engine.stats()["cache_bytes"] == most


def test_an_executor_bounds_its_cache_by_the_memory_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = builder(tmp_path, "F32")()
    monkeypatch.setattr(executor_module, "machine_memory", lambda: Memory(total=1000, available=100))
    executor.allocate(2, 64)
    with pytest.raises(CacheFullError, match="fewer requests at once"):
        executor.step(TokenBatch.of_sequence([1, 2]))
    monkeypatch.setattr(executor_module, "machine_memory", lambda: Memory(total=None, available=None))
    executor.allocate(2, 64)
    executor.step(TokenBatch.of_sequence([1, 2]))


def test_a_sequence_goes_on_after_a_long_batch_for_which_there_was_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = builder(tmp_path, "F32")()
    executor.max_rewind = 4
    executor.allocate(2, 64)
    executor.step(TokenBatch.of_sequence([1, 2]))
    assert executor.engine is not None
    real = executor.engine.step
    monkeypatch.setattr(executor.engine, "step", _out_of_memory)
    with pytest.raises(CacheFullError):
        executor.step(TokenBatch.of_sequence(list(range(20)), start=2))
    monkeypatch.setattr(executor.engine, "step", real)
    executor.step(TokenBatch.of_sequence([3], start=2))


def _out_of_memory(*arrays: Any) -> Any:
    raise NativeMemoryError("no page")


def test_a_machine_of_more_cores_than_an_engine_takes_threads_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def fewer(*arguments: Any, threads: int) -> Engine:
        asked.append(threads)
        return Engine(*arguments, threads=2)

    monkeypatch.setattr(loading, "usable_cores", lambda: 1000)
    monkeypatch.setattr(loading, "Engine", fewer)
    builder(tmp_path, "F32", threads=None)()
    assert asked == [MOST_THREADS]


@pytest.mark.parametrize(
    ("slots", "context", "cache_bytes"), [(0, 1, 0), (-1, 1, 0), (65537, 1, 0), (1, 0, 0), (1, 1, -1)]
)
def test_senseless_sizes_of_a_cache_are_refused(slots: int, context: int, cache_bytes: int) -> None:
    engine = attention_engine()
    run(engine, (0, 0, 3))
    with pytest.raises(NativeArgumentError):
        engine.allocate(slots, context, cache_bytes=cache_bytes)
    run(engine, (0, 3, 1))  # what it held is still there


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 3, 1)], "leaves a gap"),
        ([(0, 0, 2), (0, 1, 1)], "do not rise by one"),
        ([(0, 0, 1), (1, 0, 1), (0, 1, 1)], "do not stand together"),
        ([(2, 0, 1)], "slot 2 is none of 2"),
        ([(-1, 0, 1)], "slot -1 is none of 2"),
        ([(1 << 40, 0, 1)], "is none of 2"),
        ([(0, -1, 1)], "lies outside the context"),
        ([(0, 0, 0)], "at least one token"),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(spans: list[tuple[int, int, int]], message: str) -> None:
    engine = attention_engine(context=100)
    with pytest.raises(NativeArgumentError, match=message):
        run(engine, *spans)
    with pytest.raises(NativeArgumentError, match="position 100 lies outside the context of 100"):
        run(engine, (0, 0, 101))
    run(engine, (0, 0, 100))


def test_another_thread_is_refused_while_a_step_runs_and_close_waits_for_its_end() -> None:
    engine = attention_engine()
    errors: list[BaseException] = []
    begun, done = threading.Event(), threading.Event()

    def long_step() -> None:
        begun.set()
        try:
            run(engine, (0, 0, 20_000))
        except NativeError as error:  # when it came after the close
            errors.append(error)
        done.set()

    def others() -> None:
        begun.wait()
        while not done.is_set():
            try:
                engine.free_slot(1)
            except NativeError as error:
                errors.append(error)

    threads = [threading.Thread(target=each) for each in (long_step, others)]
    for thread in threads:
        thread.start()
    begun.wait()
    engine.close()
    engine.close()
    for thread in threads:
        thread.join()
    assert {str(error) for error in errors} <= {"another thread is inside this engine", "engine is null"}
    with pytest.raises(NativeError, match="engine is null"):
        engine.stats()


def test_a_process_that_ends_in_the_middle_of_a_step_ends_as_it_should() -> None:
    code = (
        "import sys, threading, time\n"
        "from tests.test_limits import attention_engine, run\n"
        "engine = attention_engine()\n"
        "begun = threading.Event()\n"
        "def work():\n"
        "    begun.set()\n"
        "    run(engine, (0, 0, 200_000))\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "begun.wait()\n"
        "sys.exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, "")
