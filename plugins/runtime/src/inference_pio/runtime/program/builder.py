"""Writes a decode program block by block; a model's ``fused_layers`` says which operations, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..rotary_frequencies import inverse_frequencies
from .errors import ProgramError
from .operations import (
    Activation,
    Add,
    Attention,
    BlockOperation,
    Copy,
    Embed,
    Gated,
    Linear,
    Logits,
    Norm,
    Rotate,
    Scale,
)
from .program import DecodeProgram, RotaryTable

STREAM = "x"
"""The residual stream, D wide, which ``embed`` fills."""


class ProgramBuilder:
    """Collects operations; names buffers and weights, and takes the widths from what is written.

    Weights are named as the torch model names its parameters: inside a ``block`` names get ``layers.<n>.`` in front.

    Args:
        name: Of the model, for people.
        vocab_size: Width V of a row of logits.
        max_context: Longest sequence, tokens.
        width: Of the residual stream, D.
        eps: Added to the mean of squares in every norm.
    """

    def __init__(self, name: str, *, vocab_size: int, max_context: int, width: int, eps: float) -> None:
        self.name, self.vocab_size, self.max_context, self.width, self.eps = name, vocab_size, max_context, width, eps
        self._buffers: dict[str, int] = {STREAM: width}
        self._tables: dict[str, RotaryTable] = {}
        self._blocks: list[tuple[BlockOperation, ...]] = []
        self._operations: list[BlockOperation] = []
        self._prefix = ""
        self._caches = 0

    def table(self, name: str, *, head_dim: int, base: float, scaling: Mapping[str, Any] | None = None) -> None:
        """Declare a rotary embedding; the arguments are those of ``RotaryEmbedding``."""
        frequencies = inverse_frequencies(head_dim, base=base, scaling=scaling)
        self._tables[name] = RotaryTable(frequencies=tuple(frequencies.tolist()))

    @contextmanager
    def block(self) -> Iterator[None]:
        """Collect one decoder block: what is called inside belongs to it."""
        self._prefix = f"layers.{len(self._blocks)}."
        yield
        self._prefix = ""
        self._blocks.append(tuple(self._operations))
        self._operations = []

    def norm(self, module: str, source: str, target: str) -> str:
        """Normalise a whole buffer; returns ``target``."""
        width = self._buffers[source]
        weight = f"{self._prefix}{module}.weight"
        self._add(Norm(source=source, target=self._of(target, width), weight=weight, eps=self.eps, width=width))
        return target

    def linear(self, module: str, source: str, target: str, rows: Mapping[str, int], *, bias: bool = False) -> str:
        """Multiply by the matrices of one or several modules side by side; returns ``target``.

        Args:
            module: What their names start with: ``self_attn``.
            source: Buffer to read.
            target: Buffer to write.
            rows: Output columns by the rest of the name: ``{"q_proj": 576, "k_proj": 192}``.
            bias: Whether each has a bias.
        """
        names = [f"{self._prefix}{module}.{name}" for name in rows]
        self._add(
            Linear(
                source=source,
                target=self._of(target, sum(rows.values())),
                weights=tuple(f"{name}.weight" for name in names),
                rows=tuple(rows.values()),
                biases=tuple(f"{name}.bias" for name in names) if bias else (),
            )
        )
        return target

    def attention(
        self,
        module: str,
        source: str,
        target: str,
        *,
        heads: int,
        key_heads: int,
        head_dim: int,
        table: str,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
        bias: bool = False,
        has_head_norms: bool = False,
    ) -> str:
        """Grouped-query attention with its projections, as ``GroupedQueryAttention``; returns ``target``.

        Args:
            module: What the projections' names start with: ``self_attn``.
            source: Buffer to read, normalised.
            target: Buffer to write, as wide as the residual stream.
            heads: Query heads H.
            key_heads: Key/value heads K.
            head_dim: Head width C.
            table: Name of the rotary table.
            scale: Factor on the scores.
            window: Tokens a query sees, itself included; ``None`` for all.
            softcap: Scores become ``softcap * tanh(score / softcap)``.
            bias: Whether the projections have biases.
            has_head_norms: Query and key heads are normalised before they are rotated.
        """
        query, key = heads * head_dim, key_heads * head_dim
        self.linear(module, source, "qkv", {"q_proj": query, "k_proj": key, "v_proj": key}, bias=bias)
        for name, column, count in (("q_norm", 0, heads), ("k_norm", query, key_heads)):
            if has_head_norms:
                weight = f"{self._prefix}{module}.{name}.weight"
                at = {"column": column, "groups": count, "width": head_dim}
                self._add(Norm(source="qkv", target="qkv", weight=weight, eps=self.eps, **at))
        # Query and key heads stand side by side: one operation turns both.
        self._add(Rotate(buffer="qkv", column=0, heads=heads + key_heads, width=head_dim, table=table))
        self._add(
            Attention(
                source="qkv", target=self._of("attended", query), cache=self._caches,
                heads=heads, key_heads=key_heads, width=head_dim,
                query_column=0, key_column=query, value_column=query + key,
                scale=scale, window=window, softcap=softcap,
            )
        )  # fmt: skip
        self._caches += 1
        return self.linear(module, "attended", target, {"o_proj": self.width}, bias=bias)

    def gated_mlp(
        self, module: str, source: str, target: str, *, hidden: int, activation: Activation, bias: bool = False
    ) -> str:
        """``down(activation(gate(x)) * up(x))``, as ``GatedMLP``; returns ``target``.

        Args:
            module: What the projections' names start with: ``mlp``.
            source: Buffer to read, normalised.
            target: Buffer to write, as wide as the residual stream.
            hidden: Width F.
            activation: Of the gate.
            bias: Whether the projections have biases.
        """
        self.linear(module, source, "gate_up", {"gate_proj": hidden, "up_proj": hidden}, bias=bias)
        self._add(Gated(source="gate_up", target=self._of("gated", hidden), activation=activation))
        return self.linear(module, "gated", target, {"down_proj": self.width}, bias=bias)

    def add(self, source: str, target: str = STREAM) -> None:
        """Add a buffer to another one, the residual stream."""
        self._add(Add(source=source, target=target))

    def scale(self, buffer: str, factor: float) -> None:
        """Multiply a buffer by a number."""
        self._add(Scale(buffer=buffer, factor=factor))

    def copy(self, source: str, target: str) -> str:
        """Copy a buffer; returns ``target``."""
        self._add(Copy(source=source, target=self._of(target, self._buffers[source])))
        return target

    def finish(self, *, embedding_scale: float = 1.0, is_tied: bool, softcap: float | None = None) -> DecodeProgram:
        """Put embedding, final norm and output head around the blocks, and check the whole.

        Args:
            embedding_scale: Factor on token vectors.
            is_tied: The output head is the embedding.
            softcap: Logits become ``softcap * tanh(logit / softcap)``.

        Raises:
            ProgramError: The program contradicts itself.
        """
        source = self.norm("norm", STREAM, "normed")
        final, self._operations = tuple(self._operations), []
        head = "embed_tokens.weight" if is_tied else "lm_head.weight"
        return DecodeProgram(
            name=self.name,
            vocab_size=self.vocab_size,
            max_context=self.max_context,
            buffers=dict(self._buffers),
            tables=dict(self._tables),
            embed=Embed(target=STREAM, weight="embed_tokens.weight", scale=embedding_scale),
            blocks=tuple(self._blocks),
            final=final,
            logits=Logits(source=source, weight=head, softcap=softcap),
        )

    def _of(self, buffer: str, width: int) -> str:
        if self._buffers.setdefault(buffer, width) != width:
            have = self._buffers[buffer]
            raise ProgramError(f"decode program {self.name!r}: buffer {buffer!r} is {have} wide, and {width} elsewhere")
        return buffer

    def _add(self, operation: BlockOperation) -> None:
        self._operations.append(operation)
