"""What a cache hands out is what was put in: against a list of all tokens that each sequence has had."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.caches import FullCache, LayerCache, RollingCache
from inference_pio.runtime.caches.layer_cache import FIRST_PLACES
from inference_pio.runtime.sequence_lengths import MAX_REWIND
from inference_pio.runtime.step import Step

CPU = torch.device("cpu")
HEADS, WIDTH = 2, 3
SIZE: dict[str, Any] = {"heads": HEADS, "width": WIDTH, "device": CPU, "dtype": torch.float32}


class Remembered:
    """A cache and, beside it, the whole past of every slot; tokens are random and all different."""

    def __init__(self, cache: LayerCache) -> None:
        self.cache = cache
        self.past: dict[int, torch.Tensor] = {}
        self.longest: dict[int, int] = {}
        self.generator = torch.Generator().manual_seed(0)

    def put(self, parts: list[tuple[int, int]]) -> None:
        """One step with ``(slot, count)`` new tokens; checks all that comes back."""
        new = {slot: torch.randn(2, HEADS, n, WIDTH, generator=self.generator) for slot, n in parts}
        starts = {slot: self.length(slot) for slot, _ in parts}
        for slot, _ in parts:
            self.past[slot] = torch.cat([self.past.get(slot, new[slot][:, :, :0]), new[slot]], dim=2)
            self.longest[slot] = max(self.longest.get(slot, 0), self.length(slot))
        batch = TokenBatch(
            tokens=np.zeros(sum(n for _, n in parts), np.int64),
            slots=np.concatenate([np.full(n, slot) for slot, n in parts]),
            positions=np.concatenate([np.arange(starts[slot], starts[slot] + n) for slot, n in parts]),
            logit_rows=np.zeros(0, np.int64),
        )
        step = Step(batch, device=CPU, dtype=torch.float32)
        if step.single_slots:
            self._put_singles(step, new)
        for chunk in step.chunks:
            keys, values = self.cache.extend_chunk(chunk, *new[chunk.slot])
            mask = step.chunk_mask(chunk, self.cache.window)
            if mask is None:
                mask = torch.ones(chunk.length, keys.shape[1], dtype=torch.bool).tril()
            for row in {*range(0, chunk.length, 1 + chunk.length // 20), chunk.length - 1}:  # enough of a long one
                self.check(chunk.slot, chunk.start + row, keys[:, mask[row]], values[:, mask[row]])

    def _put_singles(self, step: Step, new: dict[int, torch.Tensor]) -> None:
        stacked = torch.stack([new[slot][:, :, 0] for slot in step.single_slots], dim=1)
        keys, values = self.cache.extend_singles(step, *stacked)
        mask = step.single_mask(self.cache.window)
        for row, (slot, position) in enumerate(zip(step.single_slots, step.single_positions, strict=True)):
            seen = slice(None) if mask is None else mask[row, 0, 0]
            self.check(slot, position, keys[row][:, seen], values[row][:, seen])

    def check(self, slot: int, position: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        window = self.cache.window or position + 1
        expected = self.past[slot][:, :, max(0, position + 1 - window) : position + 1]
        for kind, got in zip(expected, (keys, values), strict=True):
            # The order is the cache's own: positions are in the keys.
            assert sorted(kind.transpose(0, 1).flatten(1).tolist()) == sorted(got.transpose(0, 1).flatten(1).tolist())

    def length(self, slot: int) -> int:
        return self.past[slot].shape[2] if slot in self.past else 0

    def take_back(self, slot: int, length: int) -> None:
        self.past[slot] = self.past[slot][:, :, :length]

    def end(self, slot: int) -> None:
        self.cache.forget(slot, self.longest.pop(slot))
        del self.past[slot]


def full(limit: int = 1000) -> FullCache:
    return FullCache(limit=limit, **SIZE)


def rolling(window: int, limit: int = 1000) -> RollingCache:
    return RollingCache(window=window, limit=limit, **SIZE)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([None, 1, 2, 5, 8, 100]))
def test_any_mix_of_chunks_and_single_tokens_sees_exactly_its_window(data, window):
    remembered = Remembered(full() if window is None else rolling(window))
    for _ in range(data.draw(st.integers(1, 8))):
        slots = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True))
        for slot in slots:
            if slot in remembered.past and data.draw(st.integers(0, 5)) == 0:
                remembered.end(slot)
        remembered.put([(slot, data.draw(st.sampled_from([1, 1, 2, 3, 7, 17]))) for slot in slots])
        for slot in slots:
            least = max(0, remembered.longest[slot] - MAX_REWIND)
            remembered.take_back(slot, data.draw(st.integers(least, remembered.length(slot))))


EDGE = 5 + MAX_REWIND


@pytest.mark.parametrize("before", [0, 1, 3, 4, 5, 6, 9, 10, EDGE - 1, EDGE, EDGE + 1, 2 * EDGE])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 11, EDGE - 1, EDGE, EDGE + 1])
def test_a_rolling_cache_is_right_wherever_a_chunk_meets_its_edge(before, count):
    remembered = Remembered(rolling(5))
    if before:
        remembered.put([(0, before)])
    remembered.put([(0, count)])
    remembered.put([(0, 1)])
    remembered.put([(0, 3)])


@pytest.mark.parametrize("before", [1, 4, 5, 6, EDGE - 1, EDGE, EDGE + 1, 100])
@pytest.mark.parametrize("count", [1, 2, 4, 5, MAX_REWIND])
def test_tokens_that_are_taken_back_at_the_edge_of_the_window_leave_no_trace(before, count):
    remembered = Remembered(rolling(5))
    remembered.put([(0, before)])
    remembered.put([(0, count)])
    remembered.take_back(0, before)
    remembered.put([(0, 1)])
    remembered.put([(0, 3)])


def test_growing_keeps_what_is_cached():
    remembered = Remembered(full(limit=5000))
    remembered.put([(0, FIRST_PLACES - 1)])
    for slot in (0, 0, 3):  # over the first places, then more slots
        remembered.put([(slot, 1)])
    remembered.put([(0, 2 * FIRST_PLACES)])
    remembered.put([(0, 1), (3, 1)])


def test_a_cache_takes_memory_only_as_it_is_used_and_never_more_than_its_limit():
    cache = full(limit=700)
    assert cache.n_bytes == 0
    cache.reserve(1, 10)
    per_place = 2 * HEADS * WIDTH * 4
    assert cache.n_bytes == FIRST_PLACES * per_place
    cache.reserve(1, 600)
    assert cache.n_bytes == 700 * per_place
    cache.reserve(2, 700)
    assert cache.n_bytes == 2 * 700 * per_place


@pytest.mark.parametrize("cache", [full(limit=3000), rolling(500)], ids=["full", "rolling"])
@pytest.mark.parametrize("slots", [1, 2, 3, 5, 33, 64, 65, 129])
@pytest.mark.parametrize("places", [1, 256, 257, 515, 517, 3000])
def test_what_a_cache_takes_is_known_before(cache, slots, places):
    cache.clear()
    cache.reserve(slots, places)
    assert cache.n_bytes == cache.bytes_for(slots, places)
    cache.reserve(1, 1)
    assert cache.n_bytes == cache.bytes_for(slots, places)


def test_fitting_keeps_what_is_needed_and_drops_a_long_sequence_that_has_ended():
    remembered = Remembered(full(limit=5000))
    remembered.put([(0, 5), (1, 2000)])
    remembered.end(1)
    assert remembered.cache.is_short(3, 6)
    remembered.cache.fit(3, 6)
    assert remembered.cache.n_bytes == remembered.cache.bytes_for(3, 6)
    remembered.put([(0, 1), (2, 5)])


@pytest.mark.parametrize("cache", [full(), rolling(5), rolling(100)], ids=["full", "short", "long"])
@pytest.mark.parametrize("lengths", [[1], [4, 1, 7], [20, 1, 40, 3], [21, 21, 21], [200, 22]])
def test_what_is_read_from_one_slot_and_written_to_another_is_seen_there(cache, lengths):
    cache.clear()
    remembered, start = Remembered(cache), 0
    for length in lengths:
        remembered.put([(2, length)])
        kept = length if cache.remembers(start, start + length) else 1
        tokens = cache.read(2, start + length - kept, start + length)
        assert tokens.shape == (2, HEADS, kept, WIDTH)
        assert torch.equal(tokens, remembered.past[2][:, :, start + length - kept :])
        cache.write(0, start, remembered.past[2][:, :, start:])
        start += length
    remembered.past[0], remembered.longest[0] = remembered.past[2], start
    remembered.put([(0, 1), (2, 2)])
    remembered.put([(0, 30)])


@pytest.mark.parametrize(("window", "ring"), [(5, 5 + MAX_REWIND), (None, 1000)])
def test_a_cache_remembers_as_many_tokens_as_it_has_places(window, ring):
    cache = full() if window is None else rolling(window)
    assert cache.remembers(0, ring)
    assert cache.remembers(0, ring + 1) == (window is None)
    assert cache.remembers(1, ring + 1)


def test_a_rolling_cache_never_takes_more_than_its_window_and_what_may_be_taken_back():
    cache = rolling(40, limit=5000)
    remembered = Remembered(cache)
    for count in (3, 50, 200, 1):
        remembered.put([(0, count)])
    assert cache.n_bytes == (40 + MAX_REWIND) * 2 * HEADS * WIDTH * 4


def test_a_window_longer_than_the_context_takes_the_context():
    cache = rolling(5000, limit=30)
    remembered = Remembered(cache)
    remembered.put([(0, 29)])
    remembered.put([(0, 1)])
    assert cache.n_bytes == 30 * 2 * HEADS * WIDTH * 4


@pytest.mark.parametrize("cache", [full(), rolling(5)], ids=["full", "rolling"])
def test_forgetting_a_slot_leaves_no_number_of_it_and_none_of_another_slot_changes(cache):
    remembered = Remembered(cache)
    remembered.put([(0, 7), (1, 9)])
    kept = cache.keys[1].clone()
    remembered.end(0)
    assert not cache.keys[0].any()
    assert not cache.values[0].any()
    assert torch.equal(cache.keys[1], kept)


def test_forgetting_a_slot_that_was_never_used_does_nothing():
    cache = full()
    cache.forget(3, 10)
    assert cache.n_bytes == 0


def test_clearing_gives_memory_back_and_the_cache_works_on():
    cache = full()
    Remembered(cache).put([(0, 300), (5, 2)])
    cache.clear()
    assert cache.n_bytes == 0
    Remembered(cache).put([(0, 3), (1, 1)])


def test_consecutive_slots_are_read_without_a_copy():
    cache = full()
    Remembered(cache).put([(slot, 3) for slot in range(4)])
    step = Step(
        TokenBatch(*(np.array(x) for x in ([0, 0, 0], [1, 2, 3], [3, 3, 3], [0, 1, 2]))),
        device=CPU,
        dtype=torch.float32,
    )
    keys, _ = cache.extend_singles(step, torch.zeros(3, HEADS, WIDTH), torch.zeros(3, HEADS, WIDTH))
    assert keys.untyped_storage().data_ptr() == cache.keys.untyped_storage().data_ptr()
