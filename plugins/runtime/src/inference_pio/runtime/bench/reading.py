"""How much of the memory's bandwidth a model's decoding uses: the share that is left is what a better kernel could win.

A decode step reads every weight and the cached keys and values once, and computes little with each. No engine can make
tokens faster than its memory gives those bytes, so long as they exceed the caches.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from ..executor import CountsReads
from .bandwidth import BandwidthMeter
from .workloads import decode_stats

if TYPE_CHECKING:
    from ..causal_lm import CausalLMPlugin

ROUNDS = 5


def reading_figures(model: CausalLMPlugin, threads: int) -> dict[str, float]:
    """Measure decoding and the memory's bandwidth in turn, and compare each run with the readings around it.

    Args:
        model: Loaded.
        threads: As many as its executor has.

    Returns:
        ``bytes_per_token``, at the mean context of the ``decode`` workload; ``memory_bandwidth_gb_s``, 10^9 bytes a
        second; ``bandwidth_share``, what decoding reads a second over that: medians of five runs, whose speed is not
        that of the best one, ``decode_tok_s``. Nothing for an executor that reads other memory than the CPU's, or does
        not say what it reads.
    """
    assert model.engine is not None, "the model is loaded"
    executor = model.engine.executor
    if not isinstance(executor, CountsReads) or executor.bytes_per_token(0) is None:
        return {}
    meter = BandwidthMeter(threads)
    bandwidths, shares, n_bytes = [meter.measure()], [], 0
    for _ in range(ROUNDS):
        stats = decode_stats(model)
        bandwidths.append(meter.measure())
        n_bytes = executor.bytes_per_token(stats.prompt_tokens + stats.new_tokens // 2) or 0
        shares.append(n_bytes * stats.decode_tokens_per_s / statistics.mean(bandwidths[-2:]))
    return {
        "bytes_per_token": n_bytes,
        "memory_bandwidth_gb_s": statistics.median(bandwidths) / 1e9,
        "bandwidth_share": statistics.median(shares),
    }
