"""Several linear projections of one input as a single matrix product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor


class FusedLinear(nn.Module):
    """Projections that share their input, stacked by rows: one matrix product instead of several.

    Checkpoints keep the projections apart, so ``parts`` shows each one as a view that a loader can fill. With
    ``is_fused`` off each is a product of its own: the same numbers, to compare with.

    Args:
        in_features: Width of the input.
        out_features: Width of each projection by its checkpoint name, in the order of the output's columns.
        bias: Whether every projection has a bias.
    """

    def __init__(self, in_features: int, out_features: Mapping[str, int], *, bias: bool = False) -> None:
        super().__init__()
        self.is_fused = True
        self.sizes = dict(out_features)
        total = sum(self.sizes.values())
        self.weight = nn.Parameter(torch.empty(total, in_features))
        self.bias = nn.Parameter(torch.empty(total)) if bias else None

    def parts(self) -> dict[str, Tensor]:
        """Views of the stacked parameters: ``q_proj.weight`` (rows, in_features) and, with a bias, ``q_proj.bias``."""
        views: dict[str, Tensor] = {}
        for kind, parameter in (("weight", self.weight), ("bias", self.bias)):
            if parameter is not None:
                pieces = parameter.detach().split(list(self.sizes.values()))
                views |= {f"{name}.{kind}": piece for name, piece in zip(self.sizes, pieces, strict=True)}
        return views

    def forward(self, x: Tensor) -> Tensor:
        """Return all projections side by side, (M, sum of the widths)."""
        if self.is_fused:
            return F.linear(x, self.weight, self.bias)
        parts = self.parts()
        products = [F.linear(x, parts[f"{name}.weight"], parts.get(f"{name}.bias")) for name in self.sizes]
        return torch.cat(products, dim=-1)
