"""Configuration of Gemma 3 (text); the defaults are Gemma 3 270M's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from inference_pio import BaseConfig
from inference_pio.errors import ConfigError
from inference_pio.runtime.config_reading import require_sizes, split_rotary

if TYPE_CHECKING:
    from typing_extensions import Self

SLIDING, FULL = "sliding_attention", "full_attention"
SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "vocab_size",
)


@dataclass
class Gemma3Config(BaseConfig):
    """A Gemma 3 decoder.

    Attributes:
        hidden_size: Width D of the residual stream.
        intermediate_size: Width F of the MLP.
        num_hidden_layers: Decoder blocks.
        num_attention_heads: Query heads H.
        num_key_value_heads: Key/value heads K; H must be a multiple.
        head_dim: Head width C; H C need not be D.
        hidden_activation: Activation of the MLP's gate; only ``gelu_pytorch_tanh``.
        rms_norm_eps: Added to the mean of squares in every norm.
        rope_theta: Rotary base of layers with full attention.
        rope_scaling: Scaling rule of layers with full attention, as ``config.json`` has it.
        rope_local_base_freq: Rotary base of sliding layers.
        query_pre_attn_scalar: Scores are divided by its square root, whatever the head width.
        sliding_window: Tokens that a query of a sliding layer sees, itself included.
        sliding_window_pattern: Every so many layers one has full attention; used where ``layer_types`` is left out.
        layer_types: ``sliding_attention`` or ``full_attention`` for each layer.
        attention_bias: The projections of attention have a bias.
        attn_logit_softcapping: Scores s become ``c tanh(s / c)``; Gemma 3 has none.
        final_logit_softcapping: The same for the logits; Gemma 3 has none.
    """

    # Read below: it must be false.
    ignorable_keys: ClassVar[frozenset[str]] = BaseConfig.ignorable_keys | {"use_bidirectional_attention"}

    vocab_size: int = 262144
    max_position_embeddings: int = 32768
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 1
    pad_token_id: int | None = 0
    tie_word_embeddings: bool = True
    hidden_size: int = 640
    intermediate_size: int = 2048
    num_hidden_layers: int = 18
    num_attention_heads: int = 4
    num_key_value_heads: int = 1
    head_dim: int = 256
    hidden_activation: str = "gelu_pytorch_tanh"
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1000000.0
    rope_scaling: dict[str, Any] | None = None
    rope_local_base_freq: float = 10000.0
    query_pre_attn_scalar: float = 256
    sliding_window: int = 512
    sliding_window_pattern: int = 6
    layer_types: list[str] | None = None
    attention_bias: bool = False
    attn_logit_softcapping: float | None = None
    final_logit_softcapping: float | None = None

    def __post_init__(self) -> None:
        """Fill in the kinds of the layers and check that the numbers agree.

        Raises:
            ConfigError: The numbers contradict each other.
        """
        super().__post_init__()
        if min(self.sliding_window, self.sliding_window_pattern) < 1 or self.query_pre_attn_scalar <= 0:
            raise ConfigError("sliding_window, sliding_window_pattern and query_pre_attn_scalar must be above 0")
        if self.layer_types is None:
            self.layer_types = [
                SLIDING if (layer + 1) % self.sliding_window_pattern else FULL
                for layer in range(self.num_hidden_layers)
            ]
        if len(self.layer_types) != self.num_hidden_layers or set(self.layer_types) - {SLIDING, FULL}:
            raise ConfigError(
                f"layer_types must name {SLIDING!r} or {FULL!r} for each of {self.num_hidden_layers} layers"
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ConfigError(
                f"num_attention_heads = {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads = {self.num_key_value_heads}"
            )
        if self.hidden_activation != "gelu_pytorch_tanh":
            raise ConfigError(f"hidden_activation = {self.hidden_activation!r}: Gemma 3 gates with 'gelu_pytorch_tanh'")
        if self.final_logit_softcapping is not None:
            raise ConfigError("final_logit_softcapping: no Gemma 3 has it, and this plugin does not compute it")

    def is_sliding(self, layer: int) -> bool:
        """Whether layer number ``layer``, from 0, sees only its window."""
        assert self.layer_types is not None
        return self.layer_types[layer] == SLIDING

    @classmethod
    def from_hugging_face(cls, data: Mapping[str, Any]) -> Self:
        """See ``BaseConfig``; reads transformers 4 and 5 spellings.

        Raises:
            ConfigError: A size is left out, the checkpoint attends in both directions, which a decoder cannot, or its
                rotary settings are none that this architecture has.
        """
        if data.get("use_bidirectional_attention"):
            raise ConfigError("use_bidirectional_attention: an embedding model, not a decoder")
        require_sizes(data, *SIZES)
        flat = dict(data)
        pattern = flat.pop("_sliding_window_pattern", None)  # transformers 5's name; layer_types has the last word
        if pattern is not None:
            flat.setdefault("sliding_window_pattern", pattern)
        by_kind = flat.pop("rope_parameters", None) or {}
        if not isinstance(by_kind, Mapping) or set(by_kind) - {FULL, SLIDING}:
            raise ConfigError(f"rope_parameters must have {FULL!r} and {SLIDING!r}, each with its own, not {by_kind!r}")
        base, scaling = split_rotary(by_kind.get(FULL) or {})
        local_base, local_scaling = split_rotary(by_kind.get(SLIDING) or {})
        if local_scaling is not None:
            raise ConfigError(f"rope_parameters of sliding layers: scaling {local_scaling!r} is not known there")
        given = {"rope_theta": base, "rope_scaling": scaling, "rope_local_base_freq": local_base}
        flat |= {name: value for name, value in given.items() if value is not None}
        return cls.from_dict({"max_position_embeddings": 131072, "sliding_window": 4096, **flat})
