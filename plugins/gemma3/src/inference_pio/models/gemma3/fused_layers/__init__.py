"""Which products of a block are computed as one: query with key and value, gate with up.

``program`` describes the whole block for executors that compute it in one call.
The query-key norm stands between the projection and the rotary embedding, so nothing further can be merged into the
first product; the scale of the embedding is not folded into its weights either, because the tied head needs them
unscaled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_pio.runtime.layers import FusedLinear

    from ..config import Gemma3Config

PARITY_TOLERANCE = 1e-4
"""Greatest difference of a logit (of order ten) to separate float32 products: what BehaviourContract allows."""


def build_qkv_projection(config: Gemma3Config) -> FusedLinear:
    """Query, key and value, in this order, D to (H + 2K) C; wider than D in the small models (1536 of 640)."""
    from inference_pio.runtime.layers import FusedLinear

    widths = {
        "q_proj": config.num_attention_heads * config.head_dim,
        "k_proj": config.num_key_value_heads * config.head_dim,
        "v_proj": config.num_key_value_heads * config.head_dim,
    }
    return FusedLinear(config.hidden_size, widths, bias=config.attention_bias)


def build_gate_up_projection(config: Gemma3Config) -> FusedLinear:
    """Gate and up, in this order, D to 2F; Gemma's MLP never has biases."""
    from inference_pio.runtime.layers import FusedLinear

    return FusedLinear(config.hidden_size, dict.fromkeys(("gate_proj", "up_proj"), config.intermediate_size))
