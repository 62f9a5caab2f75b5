"""A random decoder for the engine, of SmolLM2's or Gemma 3's shape or a tiny one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_pio.native.structures import Activation, OperationKind

from .synthetic import Assembly, random_weight


@dataclass(frozen=True)
class Shape:
    """D, F, heads H and K, C, layers and V of a decoder, and the storage type of its weights."""

    width: int = 64
    hidden: int = 96
    heads: int = 3
    kv_heads: int = 1
    head_width: int = 32
    layers: int = 2
    vocabulary: int = 70
    kind: str = "Q4_1"
    head_kind: str = "Q8_0"
    windows: tuple[int, ...] = (0,)
    norm_heads: bool = False


SMOLLM2 = Shape(576, 1536, 9, 3, 64, 30, 49152)
GEMMA3 = Shape(640, 2048, 4, 1, 256, 18, 262144, kind="Q5_0", windows=(512, 512, 512, 512, 512, 0), norm_heads=True)


def build_decoder(shape: Shape, *, seed: int = 0) -> Assembly:
    """Llama's block, with norms on query and key heads where asked for."""
    rng = np.random.default_rng(seed)
    program = Assembly()
    width, hidden, head = shape.width, shape.hidden, shape.head_width
    query, key = shape.heads * head, shape.kv_heads * head
    x, h, qkv = program.buffer(width), program.buffer(width), program.buffer(query + 2 * key)
    attended, up, gated, out = (
        program.buffer(query),
        program.buffer(2 * hidden),
        program.buffer(hidden),
        program.buffer(width),
    )
    table = program.table((10000.0 ** -(np.arange(head // 2) * 2 / head)).astype(np.float32))
    embedding = program.weight(random_weight(shape.head_kind, shape.vocabulary, width, rng, scale=0.002))

    def linear(source: int, target: int, rows: int, columns: int) -> None:
        weight = program.weight(random_weight(shape.kind, rows, columns, rng, scale=0.02 / columns**0.5))
        program.add(OperationKind.LINEAR, in_=source, out=target, weight=weight)

    def norm(source: int, target: int, n: int, *, heads: int = 1, column: int = 0) -> None:
        vector = program.vector(1 + 0.1 * rng.standard_normal(n).astype(np.float32))
        program.add(
            OperationKind.RMS_NORM, in_=source, out=target, width=n, heads=heads, vector=vector, epsilon=1e-5,
            in_column=column, out_column=column,
        )  # fmt: skip

    program.add(OperationKind.EMBED, out=x, weight=embedding)
    for number in range(shape.layers):
        layer = program.layer(shape.kv_heads, head, shape.windows[number % len(shape.windows)])
        norm(x, h, width)
        linear(h, qkv, query + 2 * key, width)
        if shape.norm_heads:
            norm(qkv, qkv, head, heads=shape.heads)
            norm(qkv, qkv, head, heads=shape.kv_heads, column=query)
        program.add(OperationKind.ROPE, out=qkv, heads=shape.heads + shape.kv_heads, width=head, table=table)
        program.add(
            OperationKind.ATTENTION, in_=qkv, out=attended, layer=layer, heads=shape.heads, key_column=query,
            value_column=query + key, scale=head**-0.5,
        )  # fmt: skip
        linear(attended, out, width, query)
        program.add(OperationKind.ADD, in_=out, out=x, width=width)
        norm(x, h, width)
        linear(h, up, 2 * hidden, width)
        program.add(OperationKind.GATED, in_=up, out=gated, width=hidden, mode=Activation.SILU)
        linear(gated, out, width, hidden)
        program.add(OperationKind.ADD, in_=out, out=x, width=width)
    norm(x, h, width)
    program.add(OperationKind.LOGITS, in_=h, weight=embedding)
    return program
