"""Measuring models: fixed workloads, what a token reads, and the memory's own speed beside it."""

from .bandwidth import BandwidthMeter
from .run import Workload, decode_rate_at, run_bench

__all__ = ["BandwidthMeter", "Workload", "decode_rate_at", "run_bench"]
