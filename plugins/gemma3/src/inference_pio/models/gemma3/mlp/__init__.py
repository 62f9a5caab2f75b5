"""GeGLU: a GELU gate in its tanh approximation (Llama gates with SiLU)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from inference_pio.runtime.layers import GatedMLP

from ..fused_layers import build_gate_up_projection

if TYPE_CHECKING:
    from ..config import Gemma3Config


def build_mlp(config: Gemma3Config) -> GatedMLP:
    """Build one layer's MLP."""
    return GatedMLP(
        gate_up_proj=build_gate_up_projection(config),
        down_proj=nn.Linear(config.intermediate_size, config.hidden_size, bias=False),
        activation=partial(F.gelu, approximate="tanh"),
    )
