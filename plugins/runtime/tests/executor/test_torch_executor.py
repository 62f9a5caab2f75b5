"""The torch executor: any schedule gives a single pass's logits, and what must not be is refused before it harms."""

import os
import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_pio.errors import CacheFullError, InvalidOptionError, NotLoadedError
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.executor import Executor
from inference_pio.runtime.torch_executor import IDLE_BYTES, TorchExecutor, choose_dtype, open_device

TOLERANCE = 5e-5
"""The same float32 sums, split differently between chunks, single tokens and batches; logits are of order one."""
VOCAB = 37


def batch_of(parts, rows=None):
    """``parts`` are (slot, start, tokens); logits of every row unless ``rows`` says which."""
    total = sum(len(tokens) for _, _, tokens in parts)
    return TokenBatch(
        tokens=np.concatenate([np.asarray(tokens, np.int64) for _, _, tokens in parts]),
        slots=np.concatenate([np.full(len(tokens), slot, np.int64) for slot, _, tokens in parts]),
        positions=np.concatenate([np.arange(start, start + len(tokens), dtype=np.int64) for _, start, tokens in parts]),
        logit_rows=np.arange(total) if rows is None else np.asarray(rows, np.int64),
    )


def single_pass(executor, tokens):
    executor.free(0)
    logits = executor.step(TokenBatch.of_sequence(list(tokens)))
    executor.free(0)
    return logits


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_and_any_interleaving_give_the_logits_of_a_single_pass(build_executor, data):
    executor = build_executor()
    waiting = [data.draw(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=20)) for _ in range(6)]
    running: dict[int, tuple[list[int], list[np.ndarray]]] = {}
    ended = []
    while waiting or running:
        free = [slot for slot in range(5) if slot not in running]
        if waiting and free and (not running or data.draw(st.booleans())):
            running[data.draw(st.sampled_from(free))] = (waiting.pop(), [])
        chosen = data.draw(st.permutations(sorted(running)))[: data.draw(st.integers(1, len(running)))]
        parts = []
        for slot in chosen:
            text, rows = running[slot]
            left = len(text) - len(rows)
            parts.append((slot, len(rows), text[len(rows) :][: data.draw(st.sampled_from([1, 1, 2, 5, left]))]))
        logits = iter(executor.step(batch_of(parts)))
        for slot, _, tokens in parts:
            text, rows = running[slot]
            rows += [next(logits) for _ in tokens]
            if len(rows) == len(text):
                ended.append(running.pop(slot))
                executor.free(slot)
    for text, rows in ended:
        assert np.abs(np.stack(rows) - single_pass(executor, text)).max() < TOLERANCE


def test_it_is_an_executor(build_executor):
    executor = build_executor()
    assert isinstance(executor, Executor)
    assert executor.name == "torch float32 cpu"


def test_only_the_rows_that_are_asked_for_come_back_and_belong_to_the_caller(build_executor):
    executor = build_executor()
    whole = single_pass(executor, [1, 2, 3, 4])
    picked = executor.step(batch_of([(0, 0, [1, 2, 3, 4])], rows=[1, 3]))
    assert picked.dtype == np.float32
    assert np.abs(picked - whole[[1, 3]]).max() < TOLERANCE
    picked[:] = 7  # samplers do that
    executor.free(0)
    assert np.abs(single_pass(executor, [1, 2, 3, 4]) - whole).max() < TOLERANCE


def test_a_step_without_logits_still_fills_the_cache(build_executor):
    executor = build_executor()
    assert executor.step(batch_of([(0, 0, [5, 6, 7])], rows=[])).shape == (0, VOCAB)
    last = executor.step(batch_of([(0, 3, [8])]))
    assert np.abs(last - single_pass(executor, [5, 6, 7, 8])[-1:]).max() < TOLERANCE


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
    build_executor, parts, error, message
):
    executor = build_executor()
    executor.step(batch_of([(2, 0, [1, 2, 3])]))
    with pytest.raises(error, match=message):
        executor.step(batch_of(parts))
    after = executor.step(batch_of([(2, 3, [4])]))
    executor.free(2)
    assert np.abs(after - single_pass(executor, [1, 2, 3, 4])[-1:]).max() < TOLERANCE


def test_the_context_can_be_filled_to_its_last_place(build_executor):
    executor = build_executor(context=12)
    text = list(range(12))
    logits = executor.step(batch_of([(0, 0, text[:-1])]))
    logits = np.concatenate([logits, executor.step(batch_of([(0, 11, text[-1:])]))])
    assert np.abs(logits - single_pass(executor, text)).max() < TOLERANCE


def poisoned(executor):
    """Token 36 overflows; its own logit, from the tied head, is never a number."""
    with torch.no_grad():
        executor.model.embed_tokens.weight[36] = torch.nan
    return slice(0, 36)


def test_an_overflow_of_one_sequence_does_not_reach_the_next_one_in_its_slot(build_executor):
    executor = build_executor()
    sound = poisoned(executor)
    expected = single_pass(executor, [1, 2])
    assert np.isnan(executor.step(batch_of([(0, 0, [36] * 9)]))).all()
    executor.free(0)
    executor.step(batch_of([(0, 0, [1]), (1, 0, [3] * 9)]))
    together = executor.step(batch_of([(0, 1, [2]), (1, 9, [3])]))  # slot 0 reads as many places as slot 1
    assert np.abs(together[0] - expected[1])[sound].max() < TOLERANCE


def test_an_overflow_of_one_sequence_does_not_reach_others_in_its_batch(build_executor):
    executor = build_executor()
    sound = poisoned(executor)
    expected = single_pass(executor, [1, 2, 3])
    together = executor.step(batch_of([(0, 0, [36, 1]), (1, 0, [1, 2, 3])]))
    assert np.isnan(together[:2]).all()
    assert np.abs(together[2:] - expected)[:, sound].max() < TOLERANCE


def test_large_caches_are_given_back_when_nothing_runs(build_executor, monkeypatch):
    monkeypatch.setattr("inference_pio.runtime.torch_executor.IDLE_BYTES", 1000)
    executor = build_executor()
    executor.step(batch_of([(0, 0, [1, 2]), (1, 0, [1, 2, 3])]))
    executor.free(0)
    assert sum(cache.n_bytes for cache in executor.caches) > 1000  # slot 1 still runs
    executor.free(1)
    assert sum(cache.n_bytes for cache in executor.caches) == 0
    executor.step(batch_of([(0, 0, [1, 2])]))


def test_small_caches_stay_for_the_next_turn(build_executor):
    executor = build_executor()
    executor.step(batch_of([(0, 0, [1, 2])]))
    executor.free(0)
    assert 0 < sum(cache.n_bytes for cache in executor.caches) < IDLE_BYTES


def test_allocating_again_forgets_everything(build_executor):
    executor = build_executor()
    executor.step(batch_of([(0, 0, [1, 2])]))
    executor.allocate(2, 8)
    executor.step(batch_of([(0, 0, [1, 2])]))
    with pytest.raises(CacheFullError, match="slot 2"):
        executor.step(batch_of([(2, 0, [1])]))


def test_a_closed_executor_says_so_and_closing_and_freeing_again_do_nothing(build_executor):
    executor = build_executor()
    executor.step(batch_of([(0, 0, [1])]))
    executor.close()
    executor.close()
    executor.free(0)
    with pytest.raises(NotLoadedError, match="load the model again"):
        executor.step(batch_of([(0, 1, [1])]))


def test_steps_may_come_from_different_threads_and_grad_modes(build_executor):
    executor = build_executor()
    rows = [executor.step(batch_of([(0, 0, [1, 2])]))]
    with torch.enable_grad():
        thread = threading.Thread(target=lambda: rows.append(executor.step(batch_of([(0, 2, [3])]))))
        thread.start()
        thread.join()
        executor.free(1)
        rows.append(executor.step(batch_of([(0, 3, list(range(4, 20)))])))
    assert np.abs(np.concatenate(rows) - single_pass(executor, [1, 2, *range(3, 20)])).max() < TOLERANCE


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_the_same_function(build_executor, dtype):
    text = list(range(20))
    half, exact = single_pass(build_executor(dtype=dtype), text), single_pass(build_executor(), text)
    assert half.dtype == np.float32
    assert np.corrcoef(half.ravel(), exact.ravel())[0, 1] > 0.99  # rounding grows through layers; a bug is no rounding


@pytest.mark.parametrize(
    ("requested", "device", "dtype"),
    [
        (None, "cpu", torch.float32),
        (None, "cuda", torch.bfloat16),
        ("auto", "cpu", torch.float32),
        ("float16", "cpu", torch.float16),
        ("bfloat16", "cpu", torch.bfloat16),
    ],
)
def test_the_dtype_depends_on_the_device_unless_it_is_asked_for(requested, device, dtype):
    assert choose_dtype(requested, torch.device(device)) is dtype


def test_an_unknown_dtype_names_the_known_ones():
    with pytest.raises(InvalidOptionError, match="dtype 'int3' is unknown; known: float32, bfloat16, float16"):
        choose_dtype("int3", torch.device("cpu"))


@pytest.mark.parametrize("name", ["native", "w8", "w4"])
def test_a_dtype_of_the_native_executor_says_where_it_comes_from(name):
    with pytest.raises(InvalidOptionError, match=f"'{name}' is computed by inference-pio-native.*pip install"):
        choose_dtype(name, torch.device("cpu"))


@pytest.mark.parametrize("name", ["warp", "cuda:99", "", "cpu:x"])
def test_a_device_that_is_not_here_is_refused_with_a_way_out(name):
    with pytest.raises(InvalidOptionError, match=f"device {name!r} cannot be used here: .*Try --device cpu"):
        open_device(name)


def test_threads_are_set_for_the_whole_process():
    from inference_pio.cores import usable_cores

    before = torch.get_num_threads()
    try:
        model = torch.nn.Module()
        model.embed_tokens = torch.nn.Embedding(2, 2)
        TorchExecutor(model, vocab_size=2, max_context=2, threads=3)  # type: ignore[arg-type]  # all it looks at
        assert torch.get_num_threads() == 3
        TorchExecutor(model, vocab_size=2, max_context=2)  # type: ignore[arg-type]  # as above
        assert torch.get_num_threads() == usable_cores() <= (os.cpu_count() or 1)
    finally:
        torch.set_num_threads(before)
