"""Token embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor


class TokenEmbedding(nn.Module):
    """Looks up token vectors and can serve as the output head of a model that ties both.

    Args:
        vocab_size: Rows V.
        hidden_size: Width D.
        scale: The vectors are multiplied by it (Gemma: sqrt(D)); the tied head is not.
    """

    def __init__(self, vocab_size: int, hidden_size: int, *, scale: float | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, hidden_size))
        self.scale = scale

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the vectors of ``tokens`` (M,) int64 as (M, D)."""
        x = F.embedding(tokens, self.weight)
        return x if self.scale is None else x * torch.tensor(self.scale, dtype=x.dtype, device=x.device)

    def project(self, x: Tensor) -> Tensor:
        """Return the logits (R, V) of hidden states (R, D)."""
        return F.linear(x, self.weight)
