"""Gemma 3, assembled: scaled embedding, sandwich-norm blocks of two kinds, final norm, tied output head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from inference_pio.runtime.layers import Decoder, RMSNorm, TokenEmbedding

from .architecture.block import Gemma3Block
from .attention import build_attention
from .kv_cache import build_cache
from .mlp import build_mlp
from .rotary_embeddings import build_rotaries

if TYPE_CHECKING:
    from .config import Gemma3Config


def build_gemma3(config: Gemma3Config) -> Decoder:
    """Build the model; its parameters have shapes but no values yet."""
    rotaries = build_rotaries(config)

    def build_norm() -> RMSNorm:
        return RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    return Decoder(
        # The residual stream starts at unit variance although the tied head needs small vectors.
        embed_tokens=TokenEmbedding(config.vocab_size, config.hidden_size, scale=config.hidden_size**0.5),
        layers=[
            Gemma3Block(
                input_layernorm=build_norm(),
                self_attn=build_attention(config, layer, rotaries),
                post_attention_layernorm=build_norm(),
                pre_feedforward_layernorm=build_norm(),
                mlp=build_mlp(config),
                post_feedforward_layernorm=build_norm(),
                build_cache=build_cache(config, layer),
            )
            for layer in range(config.num_hidden_layers)
        ],
        norm=build_norm(),
        lm_head=None if config.tie_word_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False),
    )
