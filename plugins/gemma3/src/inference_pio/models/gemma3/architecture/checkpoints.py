"""What Gemma 3 checkpoints call things, in GGUF and in safetensors. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.runtime.config_reading import gguf_config
from inference_pio.runtime.weight_map import WeightMap

from ..config import Gemma3Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.runtime.weights import Checkpoint

GGUF_FIELDS = {
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.sliding_window": "sliding_window",
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "rope.freq_base": "rope_theta",
    "rope.freq_base_swa": "rope_local_base_freq",
}
GGUF_OPTIONAL = frozenset({"rope.freq_base_swa"})
# Said a second time: the width of values is that of keys.
GGUF_IGNORABLE = frozenset({"attention.value_length"})

_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_TOP = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}
GGUF_NAMES = {f"{theirs}.weight": f"{ours}.weight" for theirs, ours in _TOP.items()} | {
    f"blk.{{n}}.{theirs}.weight": f"layers.{{n}}.{ours}.weight" for theirs, ours in _BLOCK.items()
}
SAFETENSORS_NAMES = {
    name if name == "lm_head.weight" else f"model.{name}": name
    for name in (*GGUF_NAMES.values(), *(f"layers.{{n}}.self_attn.{p}_proj.bias" for p in "qkvo"))
}


def config_from_gguf(checkpoint: Checkpoint) -> Gemma3Config:
    """Translate the metadata of a ``gemma3`` GGUF file.

    The file says how wide the window is but not which layers slide, nor their rotary base: both are the architecture's
    (every sixth layer has full attention; base 10000), as are the defaults of ``Gemma3Config``.
    """
    fields = gguf_config(checkpoint, GGUF_FIELDS, GGUF_IGNORABLE, optional=GGUF_OPTIONAL)
    return Gemma3Config.from_dict({"query_pre_attn_scalar": _query_scalar(fields), **fields})


def _query_scalar(fields: dict[str, int]) -> float:
    """GGUF leaves it out; it is the head width except in the 27B model: D / H there (Gemma 3 report, table 1)."""
    is_27b = fields.get("num_hidden_layers") == 62
    return fields["hidden_size"] / fields["num_attention_heads"] if is_27b else fields["head_dim"]


def build_weight_map(config: Gemma3Config, format: str) -> WeightMap:
    """Return names and layouts of a ``gguf`` or ``safetensors`` checkpoint."""
    if format == "gguf":
        return WeightMap(names=GGUF_NAMES)  # converters to GGUF have added the one already
    norms = [name for name in SAFETENSORS_NAMES.values() if name.endswith("norm.weight")]
    return WeightMap(
        names=SAFETENSORS_NAMES,
        transforms=dict.fromkeys(norms, add_one),
        ignored=(r"lm_head\.weight",) if config.tie_word_embeddings else (),
    )


def add_one(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn a norm's stored distance from one into the factor that ``RMSNorm`` multiplies by."""
    return weight + 1
