"""What SmolLM2 does to be faster on the torch path, each with a switch (``LoadOptions.disabled_optimizations``)."""

from __future__ import annotations

from inference_pio.runtime.optimizations import fused_products

OPTIMIZATIONS = (
    fused_products(
        measured_gain="2 cores, AVX-512, float32, medians of five: decode +6 %, prefill of 512 tokens +12 to +20 %, "
        "16 at once nothing"
    ),
)
