"""Building blocks of decoder-only language models, in torch.

Blocks take modules and plain numbers, never a configuration: what a model is made of is decided in the model.
"""

from .attention import GroupedQueryAttention
from .decoder import Decoder
from .embedding import TokenEmbedding
from .linear import FusedLinear
from .mlp import GatedMLP
from .norm import RMSNorm
from .rotary import RotaryEmbedding

__all__ = [
    "Decoder",
    "FusedLinear",
    "GatedMLP",
    "GroupedQueryAttention",
    "RMSNorm",
    "RotaryEmbedding",
    "TokenEmbedding",
]
