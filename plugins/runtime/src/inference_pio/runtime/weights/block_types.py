"""How tensor types lie in memory: values per block and bytes per block.

The table is our own, although ``gguf`` has one, because opening a checkpoint must not pay for importing ``gguf``
(0.1 s) and because this one holds only types that can be turned into float32.
"""

from __future__ import annotations

from typing import NamedTuple


class BlockType(NamedTuple):
    """A storage type.

    Attributes:
        name: As GGUF and safetensors spell it: ``F32``, ``Q4_K``.
        values: Values in one block.
        n_bytes: Bytes of one block.
    """

    name: str
    values: int
    n_bytes: int


_GGUF_TYPES = {
    0: BlockType("F32", 1, 4),
    1: BlockType("F16", 1, 2),
    2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20),
    6: BlockType("Q5_0", 32, 22),
    7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34),
    10: BlockType("Q2_K", 256, 84),
    11: BlockType("Q3_K", 256, 110),
    12: BlockType("Q4_K", 256, 144),
    13: BlockType("Q5_K", 256, 176),
    14: BlockType("Q6_K", 256, 210),
    16: BlockType("IQ2_XXS", 256, 66),
    17: BlockType("IQ2_XS", 256, 74),
    18: BlockType("IQ3_XXS", 256, 98),
    19: BlockType("IQ1_S", 256, 50),
    20: BlockType("IQ4_NL", 32, 18),
    21: BlockType("IQ3_S", 256, 110),
    22: BlockType("IQ2_S", 256, 82),
    23: BlockType("IQ4_XS", 256, 136),
    24: BlockType("I8", 1, 1),
    25: BlockType("I16", 1, 2),
    26: BlockType("I32", 1, 4),
    27: BlockType("I64", 1, 8),
    28: BlockType("F64", 1, 8),
    29: BlockType("IQ1_M", 256, 56),
    30: BlockType("BF16", 1, 2),
    34: BlockType("TQ1_0", 256, 54),
    35: BlockType("TQ2_0", 256, 66),
    39: BlockType("MXFP4", 32, 17),
    40: BlockType("NVFP4", 64, 36),
}

PLAIN_TYPES = {
    kind.name: kind
    for kind in (
        BlockType("F64", 1, 8),
        BlockType("F32", 1, 4),
        BlockType("F16", 1, 2),
        BlockType("BF16", 1, 2),
        BlockType("I64", 1, 8),
        BlockType("I32", 1, 4),
        BlockType("I16", 1, 2),
        BlockType("I8", 1, 1),
        BlockType("U64", 1, 8),
        BlockType("U32", 1, 4),
        BlockType("U16", 1, 2),
        BlockType("U8", 1, 1),
        BlockType("BOOL", 1, 1),
    )
}
"""Types of one value a block, which numpy converts; all that safetensors may hold here."""

QUANTIZED_TYPES = {kind.name: kind for kind in _GGUF_TYPES.values() if kind.values > 1}
"""Types whose blocks must be dequantized."""


def gguf_type(code: int) -> BlockType | None:
    """Return the type that a GGUF file means by ``code``, or ``None`` for one that cannot be read."""
    return _GGUF_TYPES.get(code)


def block_type(name: str) -> BlockType:
    """Return the type called ``name``, which must be in one of the tables."""
    return PLAIN_TYPES.get(name) or QUANTIZED_TYPES[name]
