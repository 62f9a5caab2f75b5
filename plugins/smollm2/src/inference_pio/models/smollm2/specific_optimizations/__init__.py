"""What SmolLM2 does to be faster on the torch path, each with a switch (``LoadOptions.disabled_optimizations``)."""

from __future__ import annotations

from inference_pio.runtime.optimizations import Optimization, switch_fused_products

OPTIMIZATIONS = (
    Optimization(
        name="fused-products",
        summary="query, key and value in one matrix product, gate and up in another",
        precondition="always: the projections of a group read the same input",
        measured_gain="GAIN_smollm2",
        applies=lambda model, config: True,
        switch=switch_fused_products,
    ),
)
