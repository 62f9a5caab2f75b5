"""Which products of a block are computed as one, and the block as a decode program (``program``).

Query, key and value read the same normalised input, and so do gate and up: each group is one matrix product over
stacked rows. At one token a step the five products of a block become two, which saves three passes through the thread
pool; every output element is still the same dot product, so results differ at most by the order in which a BLAS sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_pio.runtime.layers import FusedLinear

    from ..config import SmolLM2Config

PARITY_TOLERANCE = 1e-4
"""Greatest difference of a logit (of order ten) to separate float32 products: what BehaviourContract allows."""


def build_qkv_projection(config: SmolLM2Config) -> FusedLinear:
    """Query, key and value, in this order, D to (H + 2K) C."""
    from inference_pio.runtime.layers import FusedLinear

    assert config.head_dim is not None
    query = config.num_attention_heads * config.head_dim
    key = config.num_key_value_heads * config.head_dim
    return FusedLinear(config.hidden_size, {"q_proj": query, "k_proj": key, "v_proj": key}, bias=config.attention_bias)


def build_gate_up_projection(config: SmolLM2Config) -> FusedLinear:
    """Gate and up, in this order, D to 2F."""
    from inference_pio.runtime.layers import FusedLinear

    width = config.intermediate_size
    return FusedLinear(config.hidden_size, {"gate_proj": width, "up_proj": width}, bias=config.mlp_bias)
