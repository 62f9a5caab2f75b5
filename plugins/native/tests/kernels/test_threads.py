"""The engine's threads and memory: none is left behind, idle ones use no CPU, forks and errors are survived."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference_pio.native import loading
from inference_pio.native.engine import Engine
from inference_pio.native.errors import ForkedError, NativeArgumentError, NativeError
from inference_pio.native.library import Library
from inference_pio.native.structures import OperationKind

from ..synthetic import Assembly, Floats, batch, random_weight
from ..tiny import TinyPlugin, checkpoint_of, load
from ..tiny import build_program as tiny_program
from ..transformer import Shape, build_decoder

CYCLES = 1000
WARM_UP = 100

GROWTH = 4 << 20
"""Bytes that a thousand cycles may leave in the allocator; one engine of these takes a quarter of a megabyte."""

TASKS = Path("/proc/self/task")
needs_proc = pytest.mark.skipif(not TASKS.is_dir(), reason="this system does not list a process's threads")
needs_plain_memory = pytest.mark.skipif(
    TASKS.is_dir() and "libasan" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace"),
    reason="AddressSanitizer keeps what is freed for a while",
)


@pytest.fixture(autouse=True)
def is_here(library: Library) -> None:
    """Skip where there are no kernels."""


def engine_of(threads: int = 2, **options: int) -> Engine:
    return build_decoder(Shape(layers=1)).engine(threads=threads, **options)


def thread_count() -> int:
    return len(list(TASKS.iterdir()))


def settled(expected: int) -> int:
    """The number of threads, once the system has taken those that ended off its list."""
    for _ in range(100):
        if thread_count() <= expected:
            break
        time.sleep(0.01)
    return thread_count()


def at_rest() -> int:
    """The number of threads, once those of tests before are off the list."""
    gc.collect()
    time.sleep(0.05)
    return thread_count()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def logits_of(engine: Engine) -> Floats:
    engine.free_slot(0)
    return engine.step(*batch((0, 0, 5)))


@needs_proc
@needs_plain_memory
def test_a_thousand_starts_and_stops_leak_no_thread_and_no_memory() -> None:
    parts = build_decoder(Shape(layers=1))
    before = at_rest()
    for cycle in range(CYCLES):
        engine = parts.engine(threads=3, max_tokens=16)
        if cycle % 2:
            engine.step(*batch((0, 0, 3)))
        engine.close()
        if cycle == WARM_UP:
            resident = resident_bytes()
    assert settled(before) == before
    assert resident_bytes() - resident < GROWTH


@needs_proc
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_an_engine_has_as_many_threads_as_asked_for(threads: int) -> None:
    parts, expected = build_decoder(Shape(layers=1)), logits_of(engine_of(1))
    before = at_rest()
    engine = parts.engine(threads=threads)
    assert engine.stats()["threads"] == threads
    assert thread_count() - before == threads - 1  # the caller is one of them
    assert np.array_equal(logits_of(engine), expected)
    engine.close()
    assert settled(before) == before


@needs_proc
def test_a_program_that_is_refused_leaves_no_thread() -> None:
    before = at_rest()
    program = Assembly()
    program.buffer(0)
    with pytest.raises(NativeArgumentError):
        program.engine(threads=4)
    assert thread_count() == before


@pytest.mark.parametrize("asked", [None, 3])
def test_threads_are_those_asked_for_or_those_that_the_process_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None
) -> None:
    monkeypatch.setattr(loading, "usable_cores", lambda: 5)  # its own tests cover affinity and control groups
    plugin = TinyPlugin(tiny_program())
    assert plugin.program is not None
    executor = load(checkpoint_of(plugin.program, tmp_path / "w.gguf"), plugin, threads=asked)
    assert executor.engine is not None
    assert executor.engine.stats()["threads"] == (asked or 5)
    executor.close()


def test_idle_threads_use_no_cpu() -> None:
    """Not a test of speed: spinning threads would use three seconds of CPU a second."""
    engine = engine_of(4)
    logits_of(engine)
    time.sleep(0.05)  # they look for work for a moment
    start = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - start < 0.2
    assert np.array_equal(logits_of(engine), logits_of(engine_of(1)))  # and they wake up again


def test_threads_wake_up_after_every_pause() -> None:
    engine, expected = engine_of(3), logits_of(engine_of(1))
    for pause in (0.0, 0.0001, 0.0003, 0.0005, 0.001, 0.01) * 20:
        time.sleep(pause)
        assert np.array_equal(logits_of(engine), expected)


def test_more_threads_than_tasks_and_cores() -> None:
    engine, expected = engine_of(32), logits_of(engine_of(1))
    for _ in range(10):
        assert np.array_equal(logits_of(engine), expected)


def test_engines_of_several_threads_of_the_caller_compute_beside_each_other() -> None:
    expected, wrong = logits_of(engine_of(1)), []

    def work() -> None:
        engine = engine_of(2)
        if not all(np.array_equal(logits_of(engine), expected) for _ in range(50)):
            wrong.append(1)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


# Two callers at once, errors, forks.


@pytest.fixture
def long_step() -> Iterator[Engine]:
    """An engine inside a step that another thread waits for; the thread is done when the test is."""
    program = Assembly()
    x, y = program.buffer(4096), program.buffer(4096)
    weight = program.weight(random_weight("Q4_1", 4096, 4096, np.random.default_rng(0)))
    embedding = program.weight(random_weight("F16", 1, 4096, np.random.default_rng(0)))
    program.add(OperationKind.EMBED, out=x, weight=embedding)
    for _ in range(4):
        program.add(OperationKind.LINEAR, in_=x, out=y, weight=weight)
    engine = program.engine(threads=2, max_tokens=512)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with contextlib.suppress(NativeError):  # the test was inside
                engine.step(*batch((0, 0, 512), tokens=np.zeros(512, np.int64), logits=[]))

    caller = threading.Thread(target=work)
    caller.start()
    yield engine
    stop.set()
    caller.join()


def wait_until_busy(engine: Engine) -> str:
    """Return what a second caller is told."""
    while True:
        try:
            engine.stats()
        except NativeError as error:
            return str(error)
        time.sleep(0.001)


def test_a_second_caller_is_refused(long_step: Engine) -> None:
    assert wait_until_busy(long_step) == "another thread is inside this engine"


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
forks = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # it is what is tested


def exit_code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_fork
@forks
def test_a_child_forked_in_the_middle_of_a_step_is_told_so(long_step: Engine) -> None:
    wait_until_busy(long_step)
    child = os.fork()
    if not child:
        code = 3
        try:
            long_step.free_slot(0)
            code = 0  # the fork came between two steps, after all
        except ForkedError as error:
            code = 0 if "forked while the engine was computing" in str(error) else 2
        finally:
            os._exit(code)
    assert exit_code_of(child) == 0


@needs_fork
@forks
def test_a_child_computes_the_same_and_its_parent_goes_on() -> None:
    engine = engine_of(3)
    expected = logits_of(engine)
    for _ in range(5):
        child = os.fork()
        if not child:
            is_same = all(np.array_equal(logits_of(engine), expected) for _ in range(3))
            other = engine_of(2)
            is_same = is_same and np.array_equal(logits_of(other), expected)
            engine.close()
            other.close()
            os._exit(0 if is_same else 1)
        assert np.array_equal(logits_of(engine), expected)
        assert exit_code_of(child) == 0


@needs_fork
@forks
def test_a_child_may_close_an_engine_that_it_never_used() -> None:
    engine = engine_of(3)
    expected = logits_of(engine)
    child = os.fork()
    if not child:
        engine.close()
        os._exit(0)
    assert exit_code_of(child) == 0
    assert np.array_equal(logits_of(engine), expected)


def test_errors_leave_an_engine_as_it_was() -> None:
    engine = engine_of(2, slots=2, context=40)
    expected = logits_of(engine)
    engine.step(*batch((1, 0, 10)))
    bad = [batch((0, 9, 1)), batch((2, 0, 1)), batch((1, 35, 6)), batch((1, 10, 1), tokens=np.array([70]))]
    bad += [batch((1, 10, 2), logits=[1, 0]), batch((1, 10, 2), logits=[2]), batch((0, 0, 1), (1, 5, 1), (0, 1, 1))]
    for arguments in bad:
        with pytest.raises(NativeArgumentError):
            engine.step(*arguments)
    continued = engine.step(*batch((1, 10, 3)))
    assert np.array_equal(logits_of(engine), expected)
    other = engine_of(1)
    other.step(*batch((0, 0, 10)))
    assert np.array_equal(other.step(*batch((0, 10, 3))), continued)
