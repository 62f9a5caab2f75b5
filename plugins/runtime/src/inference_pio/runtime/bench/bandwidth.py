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
PASSES = 8


class BandwidthMeter:
    """Reads a buffer that no cache holds, with several threads: a bitwise or of 64-bit integers by numpy.

    numpy does this in vector registers, without the interpreter's lock, and as fast as a loop in C that only loads
    (33.9 against 33.6 GB/s on two cores), so nothing compiled is needed. What is measured is plain reading, first byte
    to last. An engine that reads less than a few times the last level of caches may seem to exceed it.

    Args:
        threads: That read at once; as many as the engine has that is compared.
        n_bytes: Of the buffer; default: 256 MiB, or four times the last level of caches where that is more.
    """

    def __init__(self, threads: int, n_bytes: int | None = None) -> None:
        words = (n_bytes or max(LEAST_BYTES, CACHES * last_level_cache())) // 8
        buffer = np.ones(words, dtype=np.uint64)  # written: pages that nobody wrote to are all the same one
        self._pieces = np.array_split(buffer, threads * PIECES)
        self._n_bytes, self._threads = buffer.nbytes, threads
        self.best = 0.0
        """Greatest result so far, bytes a second."""

    def measure(self) -> float:
        """Return the bytes a second of the best of several passes; takes about a tenth of a second."""
        rates = []
        with ThreadPoolExecutor(self._threads) as workers:
            for _ in range(PASSES):
                started = time.perf_counter()
                list(workers.map(np.bitwise_or.reduce, self._pieces))
                rates.append(self._n_bytes / (time.perf_counter() - started))
        self.best = max(self.best, *rates)
        return max(rates)


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
