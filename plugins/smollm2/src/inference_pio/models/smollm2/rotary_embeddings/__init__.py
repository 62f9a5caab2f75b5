"""One rotary embedding for every layer, over the whole head width; base 100000 for SmolLM2's 8192-token context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.runtime.layers import RotaryEmbedding

if TYPE_CHECKING:
    from ..config import SmolLM2Config


def build_rotary(config: SmolLM2Config) -> RotaryEmbedding:
    """Build the rotary embedding that all layers share."""
    assert config.head_dim is not None
    return RotaryEmbedding(head_dim=config.head_dim, base=config.rope_theta, scaling=config.rope_scaling)
