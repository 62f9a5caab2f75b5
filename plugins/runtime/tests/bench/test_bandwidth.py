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


class Clock:
    """Stands still but where it is told to move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)


class Reading:
    """In the place of ``numpy.bitwise_or``: counts bytes, and lets a second pass for every 4096 of them."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.n_bytes = clock, 0

    def reduce(self, piece: NDArray[np.uint64]) -> None:
        self.n_bytes += piece.nbytes
        self.clock.now += piece.nbytes / 4096


def test_the_bandwidth_is_what_was_read_over_the_time_that_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = BandwidthMeter(1, n_bytes=1000 * 8)
    clock = Clock(monkeypatch)
    monkeypatch.setattr("numpy.bitwise_or", Reading(clock))
    assert meter.measure() == pytest.approx(4096)


def test_every_word_of_the_buffer_is_read_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = BandwidthMeter(3, n_bytes=1000 * 8)
    clock = Clock(monkeypatch)
    reading = Reading(clock)
    monkeypatch.setattr("numpy.bitwise_or", reading)
    monkeypatch.setattr(bandwidth, "LEAST_SECONDS", 2.5 * 8000 / 4096)
    meter.measure()
    assert reading.n_bytes == 3 * 1000 * 8


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
    assert BandwidthMeter(2).n_bytes == bandwidth.CACHES * 100 * KIB


def test_the_package_lists_what_it_offers() -> None:
    assert bench.__all__ == sorted(bench.__all__)
    assert all(hasattr(bench, name) for name in bench.__all__)
