"""What Llama-architecture checkpoints call things, in GGUF and in safetensors. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.errors import ConfigError
from inference_pio.runtime.config_reading import gguf_config
from inference_pio.runtime.weight_map import WeightMap, unpermute_rotary

from ..config import SmolLM2Config

if TYPE_CHECKING:
    from inference_pio.runtime.weights import Checkpoint

GGUF_FIELDS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
}
# What llama.cpp takes for granted where a file leaves it out stands in ``config_from_gguf``.
GGUF_OPTIONAL = frozenset({"attention.head_count_kv", "attention.key_length", "rope.freq_base"})
# Said a second time: the embedding's rows. The widths of values and of the rotary part are checked to be the head's.
GGUF_WIDTHS = ("rope.dimension_count", "attention.value_length")
GGUF_IGNORABLE = frozenset({"vocab_size", *GGUF_WIDTHS})

_LAYER = "layers.{n}."
GGUF_NAMES = {
    "token_embd.weight": "embed_tokens.weight",
    "output_norm.weight": "norm.weight",
    "output.weight": "lm_head.weight",
    "blk.{n}.attn_norm.weight": _LAYER + "input_layernorm.weight",
    "blk.{n}.attn_q.weight": _LAYER + "self_attn.q_proj.weight",
    "blk.{n}.attn_k.weight": _LAYER + "self_attn.k_proj.weight",
    "blk.{n}.attn_v.weight": _LAYER + "self_attn.v_proj.weight",
    "blk.{n}.attn_output.weight": _LAYER + "self_attn.o_proj.weight",
    "blk.{n}.ffn_norm.weight": _LAYER + "post_attention_layernorm.weight",
    "blk.{n}.ffn_gate.weight": _LAYER + "mlp.gate_proj.weight",
    "blk.{n}.ffn_up.weight": _LAYER + "mlp.up_proj.weight",
    "blk.{n}.ffn_down.weight": _LAYER + "mlp.down_proj.weight",
}
_MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # fmt: skip
SAFETENSORS_NAMES = {
    "lm_head.weight": "lm_head.weight",
    **{f"model.{name}": name for name in GGUF_NAMES.values() if not name.startswith("lm_head")},
    **{f"model.{_LAYER}{module}.bias": f"{_LAYER}{module}.bias" for module in _MODULES},
}


def config_from_gguf(checkpoint: Checkpoint) -> SmolLM2Config:
    """Translate the metadata of a ``llama`` GGUF file.

    Raises:
        ConfigError: A setting is missing, unknown, or asks for what this plugin does not compute.
    """
    fields = gguf_config(checkpoint, GGUF_FIELDS, GGUF_IGNORABLE, optional=GGUF_OPTIONAL)
    defaults = {"rope_theta": 10000.0, "num_key_value_heads": fields["num_attention_heads"]}
    config = SmolLM2Config.from_dict({**defaults, **fields})
    for name in GGUF_WIDTHS:
        width = checkpoint.metadata.get(f"{checkpoint.architecture}.{name}", config.head_dim)
        if width != config.head_dim:
            raise ConfigError(f"{checkpoint.path}: {name} = {width} is not the head width, {config.head_dim}")
    return config


def build_weight_map(config: SmolLM2Config, format: str) -> WeightMap:
    """Return names and layouts of a ``gguf`` or ``safetensors`` checkpoint."""
    if format == "gguf":
        return WeightMap(
            names=GGUF_NAMES,
            transforms={
                _LAYER + "self_attn.q_proj.weight": unpermute_rotary(config.num_attention_heads),
                _LAYER + "self_attn.k_proj.weight": unpermute_rotary(config.num_key_value_heads),
            },
        )
    # Old checkpoints store the rotary frequencies, which follow from the base; a tied head is sometimes stored twice.
    ignored = (r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq",)
    return WeightMap(
        names=SAFETENSORS_NAMES, ignored=(*ignored, r"lm_head\.weight") if config.tie_word_embeddings else ignored
    )
