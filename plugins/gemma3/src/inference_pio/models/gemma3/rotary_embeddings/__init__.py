"""Two rotary embeddings: base 1000000 where attention is full, 10000 in sliding layers, which see only what is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.runtime.layers import RotaryEmbedding

from ..config import FULL, SLIDING

if TYPE_CHECKING:
    from ..config import Gemma3Config


def build_rotaries(config: Gemma3Config) -> dict[str, RotaryEmbedding]:
    """Build the rotary embedding of each kind of layer; layers of a kind share it."""
    return {
        FULL: RotaryEmbedding(head_dim=config.head_dim, base=config.rope_theta, scaling=config.rope_scaling),
        SLIDING: RotaryEmbedding(head_dim=config.head_dim, base=config.rope_local_base_freq),
    }
