"""Measuring models: fixed workloads, what a token reads beside the memory's own speed, and curves."""

from .bandwidth import BandwidthMeter
from .run import run_bench
from .workloads import Workload, decode_rate_at

__all__ = ["BandwidthMeter", "Workload", "decode_rate_at", "run_bench"]
