"""Causal grouped-query attention over cached sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from .rotary import rotate

if TYPE_CHECKING:
    from torch import Tensor

    from ..caches import LayerCache
    from ..step import Step
    from .linear import FusedLinear
    from .rotary import RotaryEmbedding


class GroupedQueryAttention(nn.Module):
    """Attention in which G = H / K query heads share a key head (Ainslie et al. 2023, arXiv:2305.13245).

    Query and key are normalised, if at all, before the rotary embedding.

    Args:
        qkv_proj: Query, key and value projection in one product, D to (H + 2K) C.
        o_proj: H C to D.
        num_heads: Query heads H.
        num_key_value_heads: Key/value heads K.
        head_dim: Head width C.
        rotary: Position embedding, shared between layers.
        scale: Factor on the scores, usually ``C ** -0.5``.
        window: Tokens a query sees, itself included; ``None`` for all.
        softcap: Scores become ``softcap * tanh(score / softcap)``.
        q_norm: Applied to every query head.
        k_norm: Applied to every key head.
    """

    def __init__(
        self,
        *,
        qkv_proj: FusedLinear,
        o_proj: nn.Linear,
        num_heads: int,
        num_key_value_heads: int,
        head_dim: int,
        rotary: RotaryEmbedding,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
        q_norm: nn.Module | None = None,
        k_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.qkv_proj, self.o_proj = qkv_proj, o_proj
        self.q_norm, self.k_norm = q_norm, k_norm
        self.num_heads, self.num_key_value_heads, self.head_dim = num_heads, num_key_value_heads, head_dim
        self.groups = num_heads // num_key_value_heads
        self.rotary = rotary
        self.scale = scale
        self.window = window
        self.softcap = softcap

    def forward(self, x: Tensor, step: Step, cache: LayerCache) -> Tensor:
        """Attend every row of a batch to its own sequence.

        Args:
            x: Normalised residual stream, (M, D).
            step: Which row belongs to which sequence and position.
            cache: Extended in place by the new tokens.

        Returns:
            (M, D), dtype and device of ``x``.
        """
        query, key, value = self._project(x, step)
        if step.is_all_single:
            out = self._attend_singles(query, key, value, step, cache)
        else:
            out = torch.empty_like(query)
            if len(step.single_rows):
                at = step.single_rows
                out[at] = self._attend_singles(query[at], key[at], value[at], step, cache)
            for chunk in step.chunks:
                rows = slice(chunk.first, chunk.first + chunk.length)
                keys, values = cache.extend_chunk(chunk, key[rows].transpose(0, 1), value[rows].transpose(0, 1))
                mask = step.chunk_mask(chunk, self.window)
                out[rows] = self._attend_chunk(query[rows].transpose(0, 1), keys, values, mask).transpose(0, 1)
        projected: Tensor = self.o_proj(out.flatten(1))
        return projected

    def _project(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Return query (M, H, C), key (M, K, C), both rotated, and value (M, K, C)."""
        heads = self.qkv_proj(x).unflatten(1, (-1, self.head_dim))
        value = heads[:, self.num_heads + self.num_key_value_heads :]
        query_key = heads[:, : self.num_heads + self.num_key_value_heads]
        if self.q_norm is not None and self.k_norm is not None:
            query, key = query_key.split((self.num_heads, self.num_key_value_heads), dim=1)
            query_key = torch.cat((self.q_norm(query), self.k_norm(key)), dim=1)
        query_key = rotate(query_key, *step.rotary(self.rotary))
        return query_key[:, : self.num_heads], query_key[:, self.num_heads :], value

    def _attend_singles(self, query: Tensor, key: Tensor, value: Tensor, step: Step, cache: LayerCache) -> Tensor:
        """One token of each of B sequences: (B, H, C) and (B, K, C) to (B, H, C)."""
        keys, values = cache.extend_singles(step, key, value)
        # The G queries of a key head stand where a sequence of G tokens would: no key is repeated.
        grouped = query.unflatten(1, (self.num_key_value_heads, self.groups))
        out = self._attention(grouped, keys, values, step.single_mask(self.window), causal=False)
        return out.flatten(1, 2)

    def _attend_chunk(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """T tokens of one sequence: query (H, T, C), keys and values (K, S, C) to (H, T, C)."""
        shape = (self.num_key_value_heads, self.groups, *keys.shape[1:])
        keys, values = (t.unsqueeze(1).expand(shape).flatten(0, 1).unsqueeze(0) for t in (keys, values))
        return self._attention(query.unsqueeze(0), keys, values, mask, causal=mask is None).squeeze(0)

    def _attention(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
        """Softmax attention, (..., Q, C) over (..., S, C).

        ``mask`` broadcasts to (..., Q, S), true where a key counts.
        """
        if self.softcap is None:
            return F.scaled_dot_product_attention(
                query, keys, values, attn_mask=mask, is_causal=causal, scale=self.scale
            )
        scores = self.softcap * torch.tanh(query @ keys.transpose(-1, -2) * (self.scale / self.softcap))
        if causal:
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(dim=-1, dtype=torch.float32).to(values.dtype) @ values
