"""A small Llama that is right, and the same with one fault each; run by ``test_the_levels_can_fail``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from inference_pio import BaseConfig
from inference_pio.manifest import check_manifest
from inference_pio.runtime.caches import FullCache
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.config_reading import flatten_rotary, require_sizes
from inference_pio.runtime.layers import (
    Decoder,
    FusedLinear,
    GatedMLP,
    GroupedQueryAttention,
    RMSNorm,
    RotaryEmbedding,
    TokenEmbedding,
)
from inference_pio.runtime.testing import CausalLMVariant
from inference_pio.runtime.testing.tiny_checkpoint import VOCAB_SIZE
from inference_pio.runtime.weight_map import WeightMap

SIZES: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
THETA = 5000.0
MANIFEST = {
    **dict.fromkeys(
        ("name", "version", "author", "description", "plugin_type", "model_architecture", "model_size", "license"),
        "tiny",
    ),
    "model_family": "Llama",
    "dependencies": [],
    "supported_modalities": ["text"],
    "tags": [],
    "num_parameters": 0,
    "required_memory_gb": 0,
    "compatibility": {"torch_version": "", "transformers_version": "", "python_version": "", "min_memory_gb": 0},
    "entry_point": {"module": ".plugin", "class": "LlamaPlugin", "factory_function": "create"},
}
PARTS = [f"self_attn.{name}_proj" for name in "qkvo"] + [f"mlp.{name}_proj" for name in ("gate", "up", "down")]


@dataclass
class LlamaConfig(BaseConfig):
    hidden_size: int = 32
    intermediate_size: int = 48
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 8
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    attention_bias: bool = False
    mlp_bias: bool = False

    @classmethod
    def from_hugging_face(cls, data: Any) -> Any:
        require_sizes(data, "hidden_size", "intermediate_size")
        flat = {key: value for key, value in flatten_rotary(data).items() if key != "rope_scaling"}
        return cls.from_dict(flat)


class Block(nn.Module):
    cache_type: ClassVar[type[FullCache]] = FullCache

    def __init__(self, config: LlamaConfig, rotary: RotaryEmbedding) -> None:
        super().__init__()
        width, heads, key_heads = config.hidden_size, config.num_attention_heads, config.num_key_value_heads
        head, hidden = config.head_dim, config.intermediate_size
        self.input_layernorm, self.post_attention_layernorm = (RMSNorm(width, eps=config.rms_norm_eps) for _ in "12")
        self.self_attn = GroupedQueryAttention(
            qkv_proj=FusedLinear(
                width, {"q_proj": heads * head, "k_proj": key_heads * head, "v_proj": key_heads * head}
            ),
            o_proj=nn.Linear(heads * head, width, bias=False),
            num_heads=heads,
            num_key_value_heads=key_heads,
            head_dim=head,
            rotary=rotary,
            scale=head**-0.5,
        )
        self.mlp = GatedMLP(
            gate_up_proj=FusedLinear(width, {"gate_proj": hidden, "up_proj": hidden}),
            down_proj=nn.Linear(hidden, width, bias=False),
            activation=F.silu,
        )
        self.build_cache = partial(self.cache_type, heads=key_heads, width=head)

    def forward(self, x: Any, step: Any, cache: Any) -> Any:
        x = x + self.self_attn(self.input_layernorm(x), step, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class LlamaPlugin(CausalLMPlugin):
    model_types = frozenset({"llama"})
    block: ClassVar[type[Block]] = Block
    theta_error: ClassVar[float] = 0.0

    def config_type(self) -> Any:
        return LlamaConfig

    def gguf_config(self, checkpoint: Any) -> Any:
        raise NotImplementedError

    def weight_map(self, config: Any, format: str) -> WeightMap:
        layer = [f"layers.{{n}}.{part}.weight" for part in (*PARTS, "input_layernorm", "post_attention_layernorm")]
        names = ("embed_tokens.weight", "norm.weight", *layer)
        return WeightMap(names={"lm_head.weight": "lm_head.weight", **{f"model.{name}": name for name in names}})

    def build_model(self, config: Any) -> Decoder:
        rotary = RotaryEmbedding(head_dim=config.head_dim, base=config.rope_theta + self.theta_error)
        return Decoder(
            embed_tokens=TokenEmbedding(config.vocab_size, config.hidden_size),
            layers=[self.block(config, rotary) for _ in range(config.num_hidden_layers)],
            norm=RMSNorm(config.hidden_size, eps=config.rms_norm_eps),
            lm_head=nn.Linear(config.hidden_size, config.vocab_size, bias=False),
        )


class Levels(CausalLMVariant):
    """Levels behaviour and parity of a model that is not installed."""

    plugin_type: ClassVar[type[CausalLMPlugin]] = LlamaPlugin

    @classmethod
    def new_plugin(cls) -> CausalLMPlugin:
        plugin = cls.plugin_type()
        vars(plugin)["manifest"] = check_manifest(json.dumps(MANIFEST).encode()).manifest
        return plugin

    @classmethod
    def reference(cls) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM

        rotary = {"rope_type": "default", "rope_theta": THETA}
        return LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=False, rope_parameters=rotary))


class TestRight(Levels):
    pass


class RememberingBlock(Block):
    """Carries something from one sequence over to the next: a cache that nobody resets."""

    memory: Any = 0.0

    def forward(self, x: Any, step: Any, cache: Any) -> Any:
        out = super().forward(x + 0.01 * self.memory, step, cache)
        self.memory = out[-1].clone()
        return out


class RememberingPlugin(LlamaPlugin):
    block = RememberingBlock


class TestCacheIsNotReset(Levels):
    plugin_type = RememberingPlugin


class MixingBlock(Block):
    """Lets the rows of a batch see each other."""

    def forward(self, x: Any, step: Any, cache: Any) -> Any:
        return super().forward(x + 0.01 * x.mean(0), step, cache)


class MixingPlugin(LlamaPlugin):
    block = MixingBlock


class TestRowsMix(Levels):
    plugin_type = MixingPlugin


class DicingBlock(Block):
    """Takes random numbers from where everybody takes them."""

    def forward(self, x: Any, step: Any, cache: Any) -> Any:
        return super().forward(x + torch.randn_like(x), step, cache)


class DicingPlugin(LlamaPlugin):
    block = DicingBlock


class TestRandomNumbersOfItsOwn(Levels):
    plugin_type = DicingPlugin


class WideCache(FullCache):
    """Is float32, whatever was asked for."""

    def __init__(self, **sizes: Any) -> None:
        super().__init__(**{**sizes, "dtype": torch.float32})

    def extend_singles(self, *args: Any) -> Any:
        return tuple(part.to(args[1].dtype) for part in super().extend_singles(*args))

    def extend_chunk(self, *args: Any) -> Any:
        return tuple(part.to(args[1].dtype) for part in super().extend_chunk(*args))


class WideBlock(Block):
    cache_type = WideCache


class WidePlugin(LlamaPlugin):
    block = WideBlock


class TestDtypeIsNotKept(Levels):
    plugin_type = WidePlugin


class HoardingPlugin(LlamaPlugin):
    """Keeps every model it ever built."""

    hoard: ClassVar[list[Decoder]] = []

    def build_model(self, config: Any) -> Decoder:
        self.hoard.append(super().build_model(config))
        return self.hoard[-1]


class TestMemoryIsNotFreed(Levels):
    plugin_type = HoardingPlugin


@dataclass
class LossyConfig(LlamaConfig):
    """Forgets a setting when it is written down."""

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in super().to_dict().items() if key != "rope_theta"}


class LossyPlugin(LlamaPlugin):
    def config_type(self) -> Any:
        return LossyConfig


class TestConfigurationIsLost(Levels):
    plugin_type = LossyPlugin


class WrongPlugin(LlamaPlugin):
    """Is consistent with itself, and with nobody else."""

    theta_error = 500.0


class TestNumbersAreWrong(Levels):
    plugin_type = WrongPlugin


class TestReferenceIsMissing(Levels):
    @classmethod
    def reference(cls) -> Any:
        raise ModuleNotFoundError("No module named 'transformers'", name="transformers")
