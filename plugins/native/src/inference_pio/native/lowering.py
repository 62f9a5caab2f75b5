"""From a decode program to the engine's: names become indices, stacks of weights become one where they can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from inference_pio.runtime.program.operations import (
    Add,
    Attention,
    Copy,
    Embed,
    Gated,
    Linear,
    Logits,
    Norm,
    Rotate,
    Scale,
)

from .engine import operation
from .errors import NativeUnsupportedError
from .stored_weights import StoredPart, VectorPlan, WeightPlan
from .structures import Activation, Operation, OperationKind, Pairing

if TYPE_CHECKING:
    from inference_pio.runtime.program import DecodeProgram

HEAD_WIDTHS = range(16, 513, 16)
"""Head widths that attention kernels have."""

ACTIVATIONS = {"silu": Activation.SILU, "gelu_tanh": Activation.GELU_TANH}


@dataclass(frozen=True)
class LoweredProgram:
    """``pio_program`` without addresses.

    Attributes:
        widths: Columns of each buffer.
        operations: First to last.
        weights: What to pack, by index.
        vectors: Norm weights and biases, by index.
        tables: Rotary frequencies, by index.
        layers: Key heads, head width and window (0: none) of each cache.
    """

    widths: list[int]
    operations: list[Operation] = field(default_factory=list)
    weights: list[WeightPlan] = field(default_factory=list)
    vectors: list[VectorPlan] = field(default_factory=list)
    tables: list[tuple[float, ...]] = field(default_factory=list)
    layers: list[tuple[int, int, int]] = field(default_factory=list)


StackWeights = Callable[[Sequence[StoredPart], int], WeightPlan]
"""Makes one weight of parts of one storage type, given the width of their rows."""


def lower(program: DecodeProgram, stored: Callable[[str], StoredPart], stack: StackWeights) -> LoweredProgram:
    """Lower a program.

    Args:
        program: Valid, as every program is.
        stored: Where the weight of a name lies.
        stack: Chooses the format of a weight.

    Raises:
        NativeUnsupportedError: The engine has no kernel for a size or a storage type.
    """
    lowering = _Lowering(program, stored, stack)
    for described in program.operations:
        lowering.result.operations.extend(_LOWER[type(described)](lowering, described))
    return lowering.result


class _Lowering:
    def __init__(self, program: DecodeProgram, stored: Callable[[str], StoredPart], stack: StackWeights) -> None:
        self.program, self.stored, self.stack = program, stored, stack
        self.buffers = {name: number for number, name in enumerate(program.buffers)}
        self.tables = {name: number for number, name in enumerate(program.tables)}
        self.known: dict[tuple[str, ...], int] = {}
        self.result = LoweredProgram(list(program.buffers.values()))
        self.result.tables.extend(table.frequencies for table in program.tables.values())

    def weight(self, parts: Sequence[StoredPart], columns: int) -> int:
        """Return the index of a weight; a tied head is the embedding's."""
        key = tuple(part.target for part in parts)
        if key not in self.known:
            self.known[key] = len(self.result.weights)
            self.result.weights.append(self.stack(parts, columns))
        return self.known[key]

    def vector(self, names: Sequence[str]) -> int:
        """Return the index of a vector that is made of the given ones."""
        self.result.vectors.append(VectorPlan(tuple(map(self.stored, names))))
        return len(self.result.vectors) - 1

    def embed(self, op: Embed) -> Iterator[Operation]:
        weight = self.weight([self.stored(op.weight)], self.program.buffers[op.target])
        yield operation(OperationKind.EMBED, out=self.buffers[op.target], weight=weight, scale=op.scale)

    def norm(self, op: Norm) -> Iterator[Operation]:
        yield operation(
            OperationKind.RMS_NORM,
            in_=self.buffers[op.source],
            in_column=op.column,
            out=self.buffers[op.target],
            out_column=op.column,
            width=op.width,
            heads=op.groups,
            vector=self.vector([op.weight]),
            epsilon=op.eps,
        )

    def linear(self, op: Linear) -> Iterator[Operation]:
        columns = self.program.buffers[op.source]
        parts = [self.stored(name) for name in op.weights]
        biases = dict(zip(op.weights, op.biases, strict=False))
        at = 0
        # Files often keep the value projection in more bits than the others: then the stack is two products.
        for _, run in groupby(parts, key=lambda part: part.kind):
            stacked = list(run)
            names = [biases[part.target] for part in stacked if part.target in biases]
            yield operation(
                OperationKind.LINEAR,
                in_=self.buffers[op.source],
                out=self.buffers[op.target],
                out_column=at,
                weight=self.weight(stacked, columns),
                vector=self.vector(names) if names else -1,
            )
            at += sum(part.rows for part in stacked)

    def rotate(self, op: Rotate) -> Iterator[Operation]:
        yield operation(
            OperationKind.ROPE,
            out=self.buffers[op.buffer],
            out_column=op.column,
            width=op.width,
            heads=op.heads,
            table=self.tables[op.table],
            mode=Pairing.INTERLEAVED if op.is_interleaved else Pairing.HALVES,
        )

    def attention(self, op: Attention) -> Iterator[Operation]:
        if op.width not in HEAD_WIDTHS:
            raise NativeUnsupportedError(
                f"no kernel for attention heads of width {op.width} (16 to 512, in steps of 16)"
            )
        self.result.layers.append((op.key_heads, op.width, op.window or 0))
        yield operation(
            OperationKind.ATTENTION,
            in_=self.buffers[op.source],
            in_column=op.query_column,
            out=self.buffers[op.target],
            heads=op.heads,
            key_column=op.key_column,
            value_column=op.value_column,
            layer=op.cache,
            scale=op.scale,
            softcap=op.softcap or 0.0,
        )

    def gated(self, op: Gated) -> Iterator[Operation]:
        yield self._over(OperationKind.GATED, op.source, op.target, mode=ACTIVATIONS[op.activation])

    def add(self, op: Add) -> Iterator[Operation]:
        yield self._over(OperationKind.ADD, op.source, op.target, scale=1.0)

    def copy(self, op: Copy) -> Iterator[Operation]:
        yield self._over(OperationKind.COPY, op.source, op.target)

    def scale(self, op: Scale) -> Iterator[Operation]:
        width = self.program.buffers[op.buffer]
        yield operation(OperationKind.SCALE, out=self.buffers[op.buffer], width=width, scale=op.factor)

    def logits(self, op: Logits) -> Iterator[Operation]:
        weight = self.weight([self.stored(op.weight)], self.program.buffers[op.source])
        softcap = op.softcap or 0.0
        yield operation(OperationKind.LOGITS, in_=self.buffers[op.source], weight=weight, scale=1.0, softcap=softcap)

    def _over(self, kind: OperationKind, source: str, target: str, *, mode: int = 0, scale: float = 0.0) -> Operation:
        """An operation over the whole width of its target."""
        width = self.program.buffers[target]
        return operation(kind, in_=self.buffers[source], out=self.buffers[target], width=width, mode=mode, scale=scale)


_LOWER: dict[type, Callable[[_Lowering, Any], Iterator[Operation]]] = {
    Embed: _Lowering.embed,
    Norm: _Lowering.norm,
    Linear: _Lowering.linear,
    Rotate: _Lowering.rotate,
    Attention: _Lowering.attention,
    Gated: _Lowering.gated,
    Add: _Lowering.add,
    Scale: _Lowering.scale,
    Copy: _Lowering.copy,
    Logits: _Lowering.logits,
}
