"""Configuration of SmolLM2; the defaults are SmolLM2-135M-Instruct's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from inference_pio import BaseConfig
from inference_pio.errors import ConfigError
from inference_pio.runtime.config_reading import flatten_rotary, require_sizes

if TYPE_CHECKING:
    from typing_extensions import Self

SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@dataclass
class SmolLM2Config(BaseConfig):
    """A Llama-architecture decoder.

    Attributes:
        hidden_size: Width D of the residual stream.
        intermediate_size: Width F of the MLP.
        num_hidden_layers: Decoder blocks.
        num_attention_heads: Query heads H.
        num_key_value_heads: Key/value heads K; H must be a multiple.
        head_dim: Head width C; default: ``hidden_size / num_attention_heads``.
        hidden_act: Activation of the MLP's gate; only ``silu``.
        rms_norm_eps: Added to the mean of squares in every norm.
        rope_theta: Base of the rotary embedding.
        rope_scaling: Rule for contexts longer than in training, as ``config.json`` has it.
        attention_bias: Query, key, value and output projections have a bias.
        mlp_bias: The MLP's projections have a bias.
    """

    # Read below, where it must be false.
    ignorable_keys: ClassVar[frozenset[str]] = BaseConfig.ignorable_keys | {"rope_interleaved"}

    vocab_size: int = 49152
    max_position_embeddings: int = 8192
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pad_token_id: int | None = 2
    tie_word_embeddings: bool = True
    hidden_size: int = 576
    intermediate_size: int = 1536
    num_hidden_layers: int = 30
    num_attention_heads: int = 9
    num_key_value_heads: int = 3
    head_dim: int | None = None
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-5
    rope_theta: float = 100000.0
    rope_scaling: dict[str, Any] | None = None
    attention_bias: bool = False
    mlp_bias: bool = False

    def __post_init__(self) -> None:
        """Fill in the head width and check that the heads fit.

        Raises:
            ConfigError: The numbers contradict each other.
        """
        super().__post_init__()
        if self.head_dim is None:
            self.head_dim, rest = divmod(self.hidden_size, self.num_attention_heads)
            if rest:
                raise ConfigError(
                    f"hidden_size = {self.hidden_size} is not a multiple of num_attention_heads = "
                    f"{self.num_attention_heads}; give head_dim"
                )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ConfigError(
                f"num_attention_heads = {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads = {self.num_key_value_heads}"
            )
        if self.hidden_act != "silu":
            raise ConfigError(f"hidden_act = {self.hidden_act!r}: the Llama architecture gates with 'silu'")

    @classmethod
    def from_hugging_face(cls, data: Mapping[str, Any]) -> Self:
        """See ``BaseConfig``; reads transformers 4 and 5 spellings, and Llama's defaults where keys are left out.

        Raises:
            ConfigError: A size is left out, or the rotary embedding pairs neighbours, as no checkpoint of this
                architecture does.
        """
        if data.get("rope_interleaved"):
            raise ConfigError("rope_interleaved: this plugin pairs element i with i + C/2 and not with its neighbour")
        require_sizes(data, *SIZES)
        flat = flatten_rotary(data)
        if flat.get("num_key_value_heads") is None:
            flat["num_key_value_heads"] = flat["num_attention_heads"]
        defaults = {
            "max_position_embeddings": 2048,
            "pad_token_id": None,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
        }
        return cls.from_dict({**defaults, **flat})
