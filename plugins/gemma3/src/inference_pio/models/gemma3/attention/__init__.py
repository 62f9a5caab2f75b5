"""Grouped-query attention with RMSNorm on query and key heads (Llama has none); five layers of six see only a window.

The scale comes from ``query_pre_attn_scalar``, not from the head width. Gemma 2's soft-capped scores are gone: the
query-key norm took their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn

from inference_pio.runtime.layers import GroupedQueryAttention, RMSNorm, RotaryEmbedding

from ..fused_layers import build_qkv_projection

if TYPE_CHECKING:
    from ..config import Gemma3Config


def build_attention(config: Gemma3Config, layer: int, rotaries: Mapping[str, RotaryEmbedding]) -> GroupedQueryAttention:
    """Build the attention of layer number ``layer``, from 0."""
    assert config.layer_types is not None
    return GroupedQueryAttention(
        qkv_proj=build_qkv_projection(config),
        o_proj=nn.Linear(config.num_attention_heads * config.head_dim, config.hidden_size, bias=config.attention_bias),
        num_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        rotary=rotaries[config.layer_types[layer]],
        scale=config.query_pre_attn_scalar**-0.5,
        window=config.sliding_window if config.is_sliding(layer) else None,
        softcap=config.attn_logit_softcapping,
        q_norm=RMSNorm(config.head_dim, eps=config.rms_norm_eps),
        k_norm=RMSNorm(config.head_dim, eps=config.rms_norm_eps),
    )
