"""How many bytes a second this machine's memory gives: the limit of every engine that reads all weights for a token."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

LEAST_BYTES = 256 << 20
CACHES = 4
"""How many times the last level of caches the buffer is, so that what stays there from pass to pass hardly counts."""
PIECES = 8
"""Pieces that each thread reads, so that one that loses its core for a moment does not hold up the others."""
LEAST_SECONDS = 0.25
"""How long one measurement reads. Memory that others use, too, changes its speed from second to second."""


class BandwidthMeter:
    """Reads a buffer that no cache holds, with several threads: a bitwise or of 64-bit integers by numpy.

    numpy does this in vector registers, without the interpreter's lock, and as fast as a loop in C that only loads
    (33.9 against 33.6 GB/s on two cores), so nothing compiled is needed. What is measured is plain reading, first byte
    to last, pass after pass. Compare with what was measured at the same time only: on a machine with other guests the
    figure may be half as large again a second later.

    Args:
        threads: That read at once; as many as the engine has that is compared.
        n_bytes: Of the buffer; default: 256 MiB, or four times the last level of caches where that is more.
    """

    def __init__(self, threads: int, n_bytes: int | None = None) -> None:
        words = (n_bytes or max(LEAST_BYTES, CACHES * last_level_cache())) // 8
        buffer = np.ones(words, dtype=np.uint64)  # written: pages that nobody wrote to are all the same one
        self.n_bytes = buffer.nbytes
        self._pieces = np.array_split(buffer, threads * PIECES)
        self._threads = threads

    def measure(self) -> float:
        """Return the bytes a second of a quarter of a second of reading."""
        passes = 0
        with ThreadPoolExecutor(self._threads) as workers:
            started = time.perf_counter()
            while not passes or time.perf_counter() - started < LEAST_SECONDS:
                list(workers.map(np.bitwise_or.reduce, self._pieces))
                passes += 1
            seconds = time.perf_counter() - started
        return passes * self.n_bytes / seconds


def last_level_cache(cpu: Path = Path("/sys/devices/system/cpu/cpu0")) -> int:
    """Return the bytes of the largest cache of a CPU; 0 where the system does not say (other than Linux).

    Args:
        cpu: What the system tells about it; another folder for tests.
    """
    sizes = [_bytes(path.read_text(encoding="ascii").strip()) for path in cpu.glob("cache/index*/size")]
    return max(sizes, default=0)


def _bytes(size: str) -> int:
    units = {"K": 10, "M": 20, "G": 30}
    number, unit = size[:-1], size[-1:]
    return int(number) << units[unit] if number.isdigit() and unit in units else 0
