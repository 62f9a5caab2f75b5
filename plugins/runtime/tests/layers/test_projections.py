"""Norm, embedding, fused linear and gated MLP against their definitions, written out in float64 numpy."""

from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inference_pio.runtime.layers import FusedLinear, GatedMLP, RMSNorm, TokenEmbedding

ROUNDING = 1e-5
"""Float32 sums of some dozen terms of order one."""
HALF_ROUNDING = {torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""One rounding of a value below four: 2^-8 relative in bfloat16, 2^-11 in float16, and some room."""


M = TypeVar("M", bound=nn.Module)


def random_(module: M, seed: int = 0) -> M:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return module.requires_grad_(False)


def test_a_norm_divides_by_the_root_of_the_mean_square():
    norm = random_(RMSNorm(24, eps=0.1))  # a large epsilon, so that its place in the formula shows
    x = torch.randn(3, 5, 24, generator=torch.Generator().manual_seed(1))
    rows = x.double().numpy()
    expected = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + 0.1) * norm.weight.double().numpy()
    assert np.abs(norm(x).numpy() - expected).max() < ROUNDING


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_norm_of_half_precision_is_computed_in_float32_and_rounded_once(dtype):
    norm = random_(RMSNorm(64, eps=1e-6)).to(dtype)
    # The square of 300 does not fit float16: computed in it, the norm would be 0 or NaN.
    x = (torch.randn(4, 64, generator=torch.Generator().manual_seed(1)) * 300).to(dtype)
    rows, weight = x.double().numpy(), norm.weight.double().numpy()
    expected = rows / np.sqrt((rows**2).mean(-1, keepdims=True)) * weight
    out = norm(x)
    assert out.dtype is dtype
    assert np.abs(out.double().numpy() - expected).max() < HALF_ROUNDING[dtype] * np.abs(expected).max()


def test_a_scaled_embedding_multiplies_vectors_but_not_the_tied_head():
    embedding = random_(TokenEmbedding(11, 8, scale=3.5))
    tokens = torch.tensor([4, 0, 10, 4])
    assert torch.equal(embedding(tokens), embedding.weight[tokens] * 3.5)
    assert torch.allclose(embedding.project(torch.eye(8)), embedding.weight.T, atol=ROUNDING)


@pytest.mark.parametrize("bias", [False, True])
def test_fused_projections_equal_separate_ones(bias):
    widths = {"q_proj": 12, "k_proj": 4, "v_proj": 6}
    fused = random_(FusedLinear(10, widths, bias=bias))
    x = torch.randn(7, 10, generator=torch.Generator().manual_seed(2))
    parts = fused.parts()
    separate = [F.linear(x, parts[f"{name}.weight"], parts.get(f"{name}.bias")) for name in widths]
    assert torch.allclose(fused(x), torch.cat(separate, dim=1), atol=ROUNDING)
    fused.is_fused = False
    assert torch.allclose(fused(x), torch.cat(separate, dim=1), atol=ROUNDING)
    assert set(parts) == {f"{n}.{k}" for n in widths for k in (("weight", "bias") if bias else ("weight",))}


def test_the_parts_of_a_fused_projection_are_views_that_a_loader_can_fill():
    fused = FusedLinear(3, {"gate_proj": 2, "up_proj": 4})
    parts = fused.parts()
    parts["gate_proj.weight"].fill_(1)
    parts["up_proj.weight"].fill_(2)
    assert fused.weight.detach().tolist() == [[1.0] * 3] * 2 + [[2.0] * 3] * 4


@pytest.mark.parametrize(
    ("activation", "definition"),
    [
        (F.silu, lambda x: x / (1 + np.exp(-x))),
        (
            lambda x: F.gelu(x, approximate="tanh"),
            lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        ),
    ],
    ids=["silu", "gelu"],
)
def test_a_gated_mlp_multiplies_up_with_the_activated_gate(activation, definition):
    fused, down = FusedLinear(5, {"g": 6, "u": 6}), nn.Linear(6, 5, bias=True)
    mlp = random_(GatedMLP(gate_up_proj=fused, down_proj=down, activation=activation))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(3))
    gate, up = (part.double().numpy() for part in fused.parts().values())
    rows = x.double().numpy()
    hidden = definition(rows @ gate.T) * (rows @ up.T)
    expected = hidden @ down.weight.double().numpy().T + down.bias.double().numpy()
    assert np.abs(mlp(x).numpy() - expected).max() < 10 * ROUNDING
