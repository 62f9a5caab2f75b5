"""What SmolLM2 does to be faster on the torch path, each with a switch (``LoadOptions.disabled_optimizations``)."""

from __future__ import annotations

from inference_pio.runtime.optimizations import fused_products

OPTIMIZATIONS = (fused_products(measured_gain="GAIN_smollm2"),)
