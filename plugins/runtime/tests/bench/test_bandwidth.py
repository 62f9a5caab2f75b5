"""The memory's bandwidth: what is read, and how large the buffer has to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference_pio.runtime import bench
from inference_pio.runtime.bench import bandwidth
from inference_pio.runtime.bench.bandwidth import BandwidthMeter, last_level_cache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KIB = 1 << 10


def test_every_word_of_the_buffer_is_read_once_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    class Reading:
        @staticmethod
        def reduce(piece: NDArray[np.uint64]) -> None:
            read.append(piece.nbytes)

    meter = BandwidthMeter(3, n_bytes=1000 * 8)
    monkeypatch.setattr("numpy.bitwise_or", Reading)
    meter.measure()
    assert sum(read) == bandwidth.PASSES * 1000 * 8


def test_the_best_of_all_measurements_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = BandwidthMeter(1, n_bytes=64 * KIB)
    durations = iter([2.0, 1.0, *[4.0] * (bandwidth.PASSES - 2), *[8.0] * bandwidth.PASSES])
    clock = [0.0]
    calls = iter(range(10**6))

    def perf_counter() -> float:
        if next(calls) % 2:  # the end of a pass
            clock[0] += next(durations)
        return clock[0]

    monkeypatch.setattr("time.perf_counter", perf_counter)
    assert meter.measure() == 64 * KIB / 1.0
    assert meter.measure() == 64 * KIB / 8.0
    assert meter.best == 64 * KIB / 1.0


def write_cache(cpu: Path, index: int, size: str) -> None:
    folder = cpu / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    (folder / "size").write_text(f"{size}\n")


def test_the_largest_cache_counts(tmp_path: Path) -> None:
    for index, size in enumerate(("32K", "1024K", "384M")):
        write_cache(tmp_path, index, size)
    assert last_level_cache(tmp_path) == 384 << 20


@pytest.mark.parametrize("size", ["", "big", "K", "12"])
def test_a_cache_of_a_size_that_says_nothing_is_left_out(tmp_path: Path, size: str) -> None:
    write_cache(tmp_path, 0, "48K")
    write_cache(tmp_path, 1, size)
    assert last_level_cache(tmp_path) == 48 * KIB


def test_a_system_that_does_not_tell_has_no_known_cache(tmp_path: Path) -> None:
    assert last_level_cache(tmp_path) == 0


def test_the_buffer_is_larger_than_a_large_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "LEAST_BYTES", 8 * KIB)
    monkeypatch.setattr(bandwidth, "last_level_cache", lambda: 100 * KIB)
    assert BandwidthMeter(2)._n_bytes == bandwidth.CACHES * 100 * KIB


def test_the_package_lists_what_it_offers() -> None:
    assert bench.__all__ == sorted(bench.__all__)
    assert all(hasattr(bench, name) for name in bench.__all__)
