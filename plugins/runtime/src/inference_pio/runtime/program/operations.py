"""The operations of a decode program: frozen data, no code. Each prints as one line.

Every operation reads and writes named buffers of float32, (M, width): a row for each token of a batch. Weights go by
the model's own parameter names, those that its ``weight_map`` leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["silu", "gelu_tanh"]


@dataclass(frozen=True, kw_only=True)
class Embed:
    """``target = weight[token] * scale``.

    Attributes:
        target: Written, (M, D).
        weight: Token vectors, (V, D).
        scale: Factor on the vectors.
    """

    target: str
    weight: str
    scale: float = 1.0

    def __str__(self) -> str:
        return f"embed     {self.target} = {self.weight}[token]" + (f" * {self.scale:g}" if self.scale != 1 else "")


@dataclass(frozen=True, kw_only=True)
class Norm:
    """``x / sqrt(mean(x²) + eps) * weight`` over groups of neighbouring columns that share the weight.

    Attributes:
        source: Read.
        target: Written; may be ``source``, and must be when only some columns are normalised.
        weight: Factors, (width,).
        eps: Added to the mean of squares.
        column: First column of the first group.
        groups: Number of groups: 1 for the whole stream, heads for a query-key norm.
        width: Columns in a group.
    """

    source: str
    target: str
    weight: str
    eps: float
    column: int = 0
    groups: int = 1
    width: int

    def __str__(self) -> str:
        where = f"[{self.column}: {self.groups} x {self.width}]" if self.groups > 1 or self.column else ""
        return f"norm      {self.target}{where} = {self.source}{where} by {self.weight}, eps {self.eps:g}"


@dataclass(frozen=True, kw_only=True)
class Linear:
    """``target = source @ weights.T + biases``; several weights are stacked by rows into one product.

    Attributes:
        source: Read, (M, in).
        target: Written, (M, sum of rows); not ``source``.
        weights: One (rows, in) matrix each.
        rows: Rows of each weight.
        biases: None, or one (rows,) vector for each weight.
    """

    source: str
    target: str
    weights: tuple[str, ...]
    rows: tuple[int, ...]
    biases: tuple[str, ...] = ()

    def __str__(self) -> str:
        products = " | ".join(f"{name} {rows}" for name, rows in zip(self.weights, self.rows, strict=True))
        return f"linear    {self.target} = {self.source} by {products}" + (" + biases" if self.biases else "")


@dataclass(frozen=True, kw_only=True)
class Rotate:
    """Rotary position embedding of neighbouring heads, in place.

    Attributes:
        buffer: Changed.
        column: First column of the first head.
        heads: Number of heads.
        width: Head width C; the table has C / 2 frequencies.
        table: Name of the rotary table.
        is_interleaved: Pairs are (2i, 2i + 1) instead of (i, i + C/2).
    """

    buffer: str
    column: int
    heads: int
    width: int
    table: str
    is_interleaved: bool = False

    def __str__(self) -> str:
        pairs = ", neighbours paired" if self.is_interleaved else ""
        return f"rotate    {self.buffer}[{self.column}: {self.heads} x {self.width}] by table {self.table}{pairs}"


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Append keys and values to a cache, then causal attention of every row over its own sequence.

    Attributes:
        source: Read: queries, keys and values at their columns.
        target: Written, (M, H C); not ``source``.
        cache: Number of the layer's cache, from 0.
        heads: Query heads H.
        key_heads: Key/value heads K; H is a multiple.
        width: Head width C.
        query_column: First of H C columns.
        key_column: First of K C columns.
        value_column: First of K C columns.
        scale: Factor on the scores.
        window: Tokens that a query sees, itself included; ``None`` for all.
        softcap: Scores s become ``softcap * tanh(s / softcap)``.
    """

    source: str
    target: str
    cache: int
    heads: int
    key_heads: int
    width: int
    query_column: int
    key_column: int
    value_column: int
    scale: float
    window: int | None = None
    softcap: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.heads}/{self.key_heads} heads of {self.width}", f"scale {self.scale:.6g}"]
        parts += [f"window {self.window}"] if self.window is not None else []
        parts += [f"softcap {self.softcap:g}"] if self.softcap is not None else []
        return f"attention {self.target} = {self.source}, cache {self.cache}, {', '.join(parts)}"


@dataclass(frozen=True, kw_only=True)
class Gated:
    """``target = activation(source[:, :F]) * source[:, F:]``.

    Attributes:
        source: Read, (M, 2F): gate, then up.
        target: Written, (M, F); not ``source``.
        activation: Applied to the gate.
    """

    source: str
    target: str
    activation: Activation

    def __str__(self) -> str:
        return f"gated     {self.target} = {self.activation}({self.source} first half) * second half"


@dataclass(frozen=True, kw_only=True)
class Add:
    """``target += source``: a residual connection. Both (M, width), and not the same."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"add       {self.target} += {self.source}"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """``buffer *= factor``."""

    buffer: str
    factor: float

    def __str__(self) -> str:
        return f"scale     {self.buffer} *= {self.factor:g}"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """``target = source``. Both (M, width), and not the same."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"copy      {self.target} = {self.source}"


@dataclass(frozen=True, kw_only=True)
class Logits:
    """``source @ weight.T`` of the rows whose logits are wanted; the last operation.

    Attributes:
        source: Read, (M, D).
        weight: (V, D); the embedding's where both are tied.
        softcap: Logits z become ``softcap * tanh(z / softcap)``.
    """

    source: str
    weight: str
    softcap: float | None = None

    def __str__(self) -> str:
        cap = f", softcap {self.softcap:g}" if self.softcap is not None else ""
        return f"logits    {self.source} by {self.weight}{cap}"


Operation = Embed | Norm | Linear | Rotate | Attention | Gated | Add | Scale | Copy | Logits
BlockOperation = Norm | Linear | Rotate | Attention | Gated | Add | Scale | Copy
