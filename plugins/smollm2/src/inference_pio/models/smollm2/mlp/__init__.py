"""SwiGLU: a SiLU gate, no experts, F = 8/3 D as in Llama."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from inference_pio.runtime.layers import GatedMLP

from ..fused_layers import build_gate_up_projection

if TYPE_CHECKING:
    from ..config import SmolLM2Config


def build_mlp(config: SmolLM2Config) -> GatedMLP:
    """Build one layer's MLP."""
    return GatedMLP(
        gate_up_proj=build_gate_up_projection(config),
        down_proj=nn.Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias),
        activation=F.silu,
    )
