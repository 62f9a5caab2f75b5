"""Grouped-query attention, three query heads to a key head in the 135M size; no norm on query or key, no window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from inference_pio.runtime.layers import GroupedQueryAttention, RotaryEmbedding

from ..fused_layers import build_qkv_projection

if TYPE_CHECKING:
    from ..config import SmolLM2Config


def build_attention(config: SmolLM2Config, rotary: RotaryEmbedding) -> GroupedQueryAttention:
    """Build one layer's attention; ``rotary`` is shared between layers."""
    assert config.head_dim is not None
    width = config.num_attention_heads * config.head_dim
    return GroupedQueryAttention(
        qkv_proj=build_qkv_projection(config),
        o_proj=nn.Linear(width, config.hidden_size, bias=config.attention_bias),
        num_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        rotary=rotary,
        scale=config.head_dim**-0.5,
    )
