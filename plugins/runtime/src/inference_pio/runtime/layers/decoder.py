"""The frame of a decoder-only model: embedding, blocks, final norm, output head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from ..caches import LayerCache
    from ..step import Step
    from .embedding import TokenEmbedding


class Decoder(nn.Module):
    """Runs blocks over a batch of tokens. Each block is called as ``block(x, step, cache)`` and returns the new ``x``.

    Args:
        embed_tokens: Token vectors.
        layers: Blocks, first to last; each has ``build_cache``.
        norm: Before the head.
        lm_head: Logits; ``None`` ties it to the embedding.
    """

    def __init__(
        self,
        *,
        embed_tokens: TokenEmbedding,
        layers: Iterable[nn.Module],
        norm: nn.Module,
        lm_head: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        self.layers = nn.ModuleList(layers)
        self.norm = norm
        self.lm_head = lm_head

    def forward(self, step: Step, caches: Sequence[LayerCache], logit_rows: Tensor | None) -> Tensor:
        """Compute a batch.

        Args:
            step: The tokens and where they belong.
            caches: One a block, extended in place.
            logit_rows: Rows whose logits are wanted, (R,) int64; ``None`` for all M.

        Returns:
            Logits (R, V) in the model's dtype.
        """
        x = self.embed_tokens(step.tokens)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, step, cache)
        # The head is the widest product of a small model: only rows that are asked for go through it.
        x = self.norm(x if logit_rows is None else x[logit_rows])
        logits: Tensor = self.embed_tokens.project(x) if self.lm_head is None else self.lm_head(x)
        return logits
