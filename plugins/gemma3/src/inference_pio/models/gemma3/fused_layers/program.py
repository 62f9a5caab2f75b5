"""Gemma 3 as a decode program: sandwich norms, query-key norm, two rotary tables, windows. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.runtime.program import ProgramBuilder

from ..config import FULL, SLIDING

if TYPE_CHECKING:
    from inference_pio.runtime.program import DecodeProgram

    from ..config import Gemma3Config


def build_program(config: Gemma3Config) -> DecodeProgram:
    """Describe what ``model.build_gemma3`` computes; a half is normalised where the projection left it."""
    kinds = config.layer_types or []
    build = ProgramBuilder(
        "gemma3",
        vocab_size=config.vocab_size,
        max_context=config.max_position_embeddings,
        width=config.hidden_size,
        eps=config.rms_norm_eps,
    )
    if FULL in kinds:
        build.table(FULL, head_dim=config.head_dim, base=config.rope_theta, scaling=config.rope_scaling)
    if SLIDING in kinds:
        build.table(SLIDING, head_dim=config.head_dim, base=config.rope_local_base_freq)
    for kind in kinds:
        with build.block():
            build.norm("input_layernorm", "x", "normed")
            _attention(build, config, kind)
            build.norm("post_attention_layernorm", "half", "half")
            build.add("half")
            build.norm("pre_feedforward_layernorm", "x", "normed")
            build.gated_mlp("mlp", "normed", "half", hidden=config.intermediate_size, activation="gelu_tanh")
            build.norm("post_feedforward_layernorm", "half", "half")
            build.add("half")
    return build.finish(embedding_scale=config.hidden_size**0.5, is_tied=config.tie_word_embeddings)


def _attention(build: ProgramBuilder, config: Gemma3Config, kind: str) -> None:
    build.attention(
        "self_attn",
        "normed",
        "half",
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        table=kind,
        scale=config.query_pre_attn_scalar**-0.5,
        window=config.sliding_window if kind == SLIDING else None,
        softcap=config.attn_logit_softcapping,
        bias=config.attention_bias,
        has_head_norms=True,
    )
