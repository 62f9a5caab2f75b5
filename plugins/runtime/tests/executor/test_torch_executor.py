"""The torch executor: any schedule gives a single pass's logits, and what must not be is refused before it harms."""

import os
import threading

import numpy as np
import pytest
import torch

from inference_pio.errors import CacheFullError, InvalidOptionError
from inference_pio.runtime.testing.executor_contract import ExecutorContract, batch_of, single_pass
from inference_pio.runtime.torch_executor import IDLE_BYTES, TorchExecutor, choose_dtype, open_device

from .conftest import HEAD, KEY_HEADS, WIDTH, WINDOWS, build_decoder

TOLERANCE = 5e-5
"""The same float32 sums, split differently between chunks, single tokens and batches; logits are of order one."""
VOCAB = 37


class TestTorchExecutor(ExecutorContract):
    vocab_size = VOCAB

    @pytest.fixture
    def build_executor(self, build_executor):
        return build_executor


def test_its_name_says_what_it_computes_with(build_executor):
    assert build_executor().name == "torch float32 cpu"


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


@pytest.mark.parametrize("seed", range(6))
def test_caches_take_what_was_said_of_the_sequences_that_ran_and_no_more(seed, monkeypatch):
    """What a long sequence and many short ones leave behind does not multiply."""
    monkeypatch.setattr("inference_pio.runtime.caches.layer_cache.FIRST_PLACES", 2)
    executor = TorchExecutor(build_decoder(), vocab_size=VOCAB, max_context=64, threads=1)
    executor.allocate(12, 64)
    chance, lengths, most = np.random.default_rng(seed), [0] * 12, 0
    for _ in range(60):
        slot = lengths.index(0) if 0 in lengths and chance.random() < 0.3 else int(chance.integers(12))
        count = min(64 - lengths[slot], int(chance.choice([1, 3, 30])))
        if count:
            executor.step(batch_of([(slot, lengths[slot], [1] * count)]))
            lengths[slot] += count
            most = max(most, executor.cache_bytes(lengths))
        if chance.random() < 0.4:
            executor.free(slot)
            lengths[slot] = 0
        taken = sum(cache.n_bytes for cache in executor.caches)
        assert executor.cache_bytes(lengths) <= taken <= most


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_saves_half_the_bytes_and_restores_the_same_bits(build_executor, dtype):
    half, exact = build_executor(dtype=dtype), build_executor()
    rows = []
    for executor in (half, exact):
        executor.step(batch_of([(0, 0, list(range(16)))]))
    block = half.save(0, 8, 16)
    assert 2 * block.size == exact.save(0, 8, 16).size == 8 * len(WINDOWS) * 2 * KEY_HEADS * HEAD * 4
    half.restore(1, 0, half.save(0, 0, 8))
    half.restore(1, 8, block)
    for slot in (0, 1):
        rows.append(half.step(batch_of([(slot, 16, [3, 5])])))
    assert np.array_equal(*rows)


@pytest.mark.parametrize("error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), KeyboardInterrupt()])
def test_a_block_that_could_not_be_restored_counts_no_token(build_executor, monkeypatch, error):
    executor = build_executor()
    expected = executor.step(batch_of([(0, 0, [1, 2, 3])]))
    block = executor.save(0, 0, 2)

    def broken(*arguments):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(type(executor.caches[2]), "write", broken)
        with pytest.raises(CacheFullError if isinstance(error, RuntimeError) else KeyboardInterrupt):
            executor.restore(1, 0, block)
    executor.restore(1, 0, block)
    assert np.abs(executor.step(batch_of([(1, 2, [3])])) - expected[2:]).max() < TOLERANCE


def test_small_caches_stay_for_the_next_turn(build_executor):
    executor = build_executor()
    executor.step(batch_of([(0, 0, [1, 2])]))
    executor.free(0)
    assert 0 < sum(cache.n_bytes for cache in executor.caches) < IDLE_BYTES


def test_steps_may_come_from_different_grad_modes(build_executor):
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


def test_a_token_reads_every_parameter_once_and_what_its_windows_hold(build_executor):
    executor = build_executor()
    weights = sum(parameter.nbytes for parameter in executor.model.parameters())
    seen = sum(min(window or 50, 50) for window in WINDOWS)
    assert executor.bytes_per_token(50) == weights + seen * 2 * KEY_HEADS * HEAD * 4
    executor.close()
    assert executor.bytes_per_token(50) == 0


def test_an_embedding_that_is_not_the_head_is_not_read():
    decoder = build_decoder()
    decoder.lm_head = torch.nn.Linear(WIDTH, VOCAB, bias=False)
    executor = TorchExecutor(decoder, vocab_size=VOCAB, max_context=64, threads=1)
    assert executor.bytes_per_token(0) == sum(
        parameter.nbytes for name, parameter in decoder.named_parameters() if not name.startswith("embed_tokens")
    )


def test_what_lies_on_another_device_is_not_read_from_main_memory():
    executor = TorchExecutor(build_decoder().to("meta"), vocab_size=VOCAB, max_context=64, threads=1)
    assert executor.bytes_per_token(0) is None
