"""One decoder block: each half is normalised before and after, then added to the residual stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from inference_pio.runtime.caches import LayerCache
    from inference_pio.runtime.layers import GatedMLP, GroupedQueryAttention, RMSNorm
    from inference_pio.runtime.step import Step


class Gemma3Block(nn.Module):
    """``x += norm(attention(norm(x))); x += norm(mlp(norm(x)))``.

    Args:
        input_layernorm: Before attention.
        self_attn: Attention.
        post_attention_layernorm: After attention.
        pre_feedforward_layernorm: Before the MLP.
        mlp: Feed-forward network.
        post_feedforward_layernorm: After the MLP.
        build_cache: Makes this block's KV cache from ``limit``, ``device`` and ``dtype``.
    """

    def __init__(
        self,
        *,
        input_layernorm: RMSNorm,
        self_attn: GroupedQueryAttention,
        post_attention_layernorm: RMSNorm,
        pre_feedforward_layernorm: RMSNorm,
        mlp: GatedMLP,
        post_feedforward_layernorm: RMSNorm,
        build_cache: Callable[..., LayerCache],
    ) -> None:
        super().__init__()
        self.input_layernorm = input_layernorm
        self.self_attn = self_attn
        self.post_attention_layernorm = post_attention_layernorm
        self.pre_feedforward_layernorm = pre_feedforward_layernorm
        self.mlp = mlp
        self.post_feedforward_layernorm = post_feedforward_layernorm
        self.build_cache = build_cache

    def forward(self, x: Tensor, step: Step, cache: LayerCache) -> Tensor:
        """Map the residual stream (M, D) to the next block's; ``cache`` is extended in place."""
        x = x + self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), step, cache))
        out: Tensor = x + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x)))
        return out
