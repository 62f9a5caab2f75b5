"""SmolLM2, assembled: embedding, Llama blocks, final norm, and an output head tied to the embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from inference_pio.runtime.layers import Decoder, RMSNorm, TokenEmbedding

from .architecture.block import SmolLM2Block
from .attention import build_attention
from .kv_cache import build_cache
from .mlp import build_mlp
from .rotary_embeddings import build_rotary

if TYPE_CHECKING:
    from .config import SmolLM2Config


def build_smollm2(config: SmolLM2Config) -> Decoder:
    """Build the model; its parameters have shapes but no values yet."""
    rotary = build_rotary(config)  # every layer rotates alike, so all share one table

    def build_norm() -> RMSNorm:
        return RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    return Decoder(
        embed_tokens=TokenEmbedding(config.vocab_size, config.hidden_size),
        layers=[
            SmolLM2Block(
                input_layernorm=build_norm(),
                self_attn=build_attention(config, rotary),
                post_attention_layernorm=build_norm(),
                mlp=build_mlp(config),
                build_cache=build_cache(config),
            )
            for _ in range(config.num_hidden_layers)
        ],
        norm=build_norm(),
        lm_head=None if config.tie_word_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False),
    )
