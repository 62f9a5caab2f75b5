"""One decoder block: norm before each half, the result added to the residual stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from inference_pio.runtime.caches import LayerCache
    from inference_pio.runtime.layers import GatedMLP, GroupedQueryAttention, RMSNorm
    from inference_pio.runtime.step import Step


class SmolLM2Block(nn.Module):
    """``x += attention(norm(x)); x += mlp(norm(x))``.

    Args:
        input_layernorm: Before attention.
        self_attn: Attention.
        post_attention_layernorm: Before the MLP, for all that its name (the checkpoint's) says.
        mlp: Feed-forward network.
        build_cache: Makes this block's KV cache from ``limit``, ``device`` and ``dtype``.
    """

    def __init__(
        self,
        *,
        input_layernorm: RMSNorm,
        self_attn: GroupedQueryAttention,
        post_attention_layernorm: RMSNorm,
        mlp: GatedMLP,
        build_cache: Callable[..., LayerCache],
    ) -> None:
        super().__init__()
        self.input_layernorm = input_layernorm
        self.self_attn = self_attn
        self.post_attention_layernorm = post_attention_layernorm
        self.mlp = mlp
        self.build_cache = build_cache

    def forward(self, x: Tensor, step: Step, cache: LayerCache) -> Tensor:
        """Map the residual stream (M, D) to the next block's; ``cache`` is extended in place."""
        x = x + self.self_attn(self.input_layernorm(x), step, cache)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out
