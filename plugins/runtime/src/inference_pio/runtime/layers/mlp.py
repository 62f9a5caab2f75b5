"""Gated feed-forward network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from .linear import FusedLinear


class GatedMLP(nn.Module):
    """``down(activation(gate(x)) * up(x))`` (Shazeer 2020, arXiv:2002.05202).

    Args:
        gate_up_proj: Gate and up projection in one product, D to 2F, gate first.
        down_proj: F to D.
        activation: Applied to the gate, elementwise; its result is overwritten.
    """

    def __init__(
        self, *, gate_up_proj: FusedLinear, down_proj: nn.Linear, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.gate_up_proj = gate_up_proj
        self.down_proj = down_proj
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, D) to (M, D)."""
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        hidden: Tensor = self.down_proj(self.activation(gate).mul_(up))
        return hidden
