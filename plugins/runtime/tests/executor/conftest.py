"""A tiny model of all kinds at once: grouped heads, windowed and full layers, qk-norm, sandwich norms, tied head."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inference_pio.runtime.caches import FullCache, LayerCache, RollingCache
from inference_pio.runtime.layers import (
    Decoder,
    FusedLinear,
    GatedMLP,
    GroupedQueryAttention,
    RMSNorm,
    RotaryEmbedding,
    TokenEmbedding,
)
from inference_pio.runtime.program import DecodeProgram, ProgramBuilder
from inference_pio.runtime.step import Step
from inference_pio.runtime.torch_executor import TorchExecutor
from inference_pio.runtime.weight_loading import weight_targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VOCAB, WIDTH, HEADS, KEY_HEADS, HEAD = 37, 16, 4, 2, 8
WINDOWS = (4, None, 7)


class Block(nn.Module):
    def __init__(self, window: int | None, rotary: RotaryEmbedding) -> None:
        super().__init__()
        sizes = {"q_proj": HEADS * HEAD, "k_proj": KEY_HEADS * HEAD, "v_proj": KEY_HEADS * HEAD}
        self.norms = nn.ModuleList(RMSNorm(WIDTH, eps=1e-6) for _ in range(3))
        self.self_attn = GroupedQueryAttention(
            qkv_proj=FusedLinear(WIDTH, sizes),
            o_proj=nn.Linear(HEADS * HEAD, WIDTH, bias=False),
            num_heads=HEADS,
            num_key_value_heads=KEY_HEADS,
            head_dim=HEAD,
            rotary=rotary,
            scale=HEAD**-0.5,
            window=window,
            q_norm=RMSNorm(HEAD, eps=1e-6),
            k_norm=RMSNorm(HEAD, eps=1e-6),
        )
        self.mlp = GatedMLP(
            gate_up_proj=FusedLinear(WIDTH, {"gate_proj": 24, "up_proj": 24}),
            down_proj=nn.Linear(24, WIDTH, bias=False),
            activation=F.silu,
        )
        size = {"heads": KEY_HEADS, "width": HEAD}
        self.build_cache: Callable[..., LayerCache] = (
            partial(FullCache, **size) if window is None else partial(RollingCache, window=window, **size)  # type: ignore[arg-type]  # the remaining arguments come later
        )

    def forward(self, x: torch.Tensor, step: Step, cache: LayerCache) -> torch.Tensor:
        x = x + self.norms[2](self.self_attn(self.norms[0](x), step, cache))
        out: torch.Tensor = x + self.mlp(self.norms[1](x))
        return out


def build_decoder() -> Decoder:
    rotaries = {window: RotaryEmbedding(head_dim=HEAD, base=100.0 if window else 1000.0) for window in WINDOWS}
    decoder = Decoder(
        embed_tokens=TokenEmbedding(VOCAB, WIDTH, scale=4.0),
        layers=[Block(window, rotaries[window]) for window in WINDOWS],
        norm=RMSNorm(WIDTH, eps=1e-6),
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in decoder.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * (0.3 if parameter.ndim > 1 else 1.0)
    return decoder


def build_program() -> DecodeProgram:
    """What ``build_decoder`` computes, described."""
    build = ProgramBuilder("tiny", vocab_size=VOCAB, max_context=64, width=WIDTH, eps=1e-6)
    for name, base in (("near", 100.0), ("far", 1000.0)):
        build.table(name, head_dim=HEAD, base=base)
    for window in WINDOWS:
        with build.block():
            build.norm("norms.0", "x", "normed")
            build.attention(
                "self_attn", "normed", "half",
                heads=HEADS, key_heads=KEY_HEADS, head_dim=HEAD, table="near" if window else "far", scale=HEAD**-0.5,
                window=window, has_head_norms=True,
            )  # fmt: skip
            build.norm("norms.2", "half", "half")
            build.add("half")
            build.norm("norms.1", "x", "normed")
            build.gated_mlp("mlp", "normed", "half", hidden=24, activation="silu")
            build.add("half")
    return build.finish(embedding_scale=4.0, is_tied=True)


def reference_weights(decoder: Decoder) -> dict[str, NDArray[np.float32]]:
    """The decoder's parameters under the names that a program uses."""
    return {name: tensor.detach().numpy() for name, tensor in weight_targets(decoder).items()}


@pytest.fixture
def build_executor() -> Callable[..., TorchExecutor]:
    def build(*, slots: int = 5, context: int = 64, dtype: torch.dtype = torch.float32) -> TorchExecutor:
        executor = TorchExecutor(build_decoder().to(dtype), vocab_size=VOCAB, max_context=64, threads=1)
        executor.allocate(slots, context)
        return executor

    return build
