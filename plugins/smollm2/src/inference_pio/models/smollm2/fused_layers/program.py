"""SmolLM2 as a decode program: pre-norm blocks, each half added to the residual stream. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.runtime.program import ProgramBuilder

if TYPE_CHECKING:
    from inference_pio.runtime.program import DecodeProgram

    from ..config import SmolLM2Config


def build_program(config: SmolLM2Config) -> DecodeProgram:
    """Describe what ``model.build_smollm2`` computes."""
    assert config.head_dim is not None
    build = ProgramBuilder(
        "smollm2",
        vocab_size=config.vocab_size,
        max_context=config.max_position_embeddings,
        width=config.hidden_size,
        eps=config.rms_norm_eps,
    )
    build.table("all", head_dim=config.head_dim, base=config.rope_theta, scaling=config.rope_scaling)
    for _ in range(config.num_hidden_layers):
        with build.block():
            build.norm("input_layernorm", "x", "normed")
            build.attention(
                "self_attn",
                "normed",
                "half",
                heads=config.num_attention_heads,
                key_heads=config.num_key_value_heads,
                head_dim=config.head_dim,
                table="all",
                scale=config.head_dim**-0.5,
                bias=config.attention_bias,
            )
            build.add("half")
            build.norm("post_attention_layernorm", "x", "normed")
            hidden, bias = config.intermediate_size, config.mlp_bias
            build.gated_mlp("mlp", "normed", "half", hidden=hidden, activation="silu", bias=bias)
            build.add("half")
    return build.finish(is_tied=config.tie_word_embeddings)
