"""A decode program computed in numpy, one operation after another: slow, plain, the oracle of other executors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.errors import NotLoadedError, TensorMismatchError

from ..sequence_lengths import SequenceLengths
from ..weight_matching import match_tensors
from .operations import Add, Attention, Copy, Gated, Linear, Norm, Rotate, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..batch import TokenBatch
    from ..weight_map import WeightMap
    from ..weights import Checkpoint
    from .program import DecodeProgram

    Floats = NDArray[np.float32]


class ReferenceExecutor:
    """Runs a program in float32; implements ``Executor``. Sliding layers keep all tokens and look at their window.

    Args:
        program: What to compute.
        weights: Every weight of the program, float32, by name.

    Raises:
        TensorMismatchError: A weight is missing or of a wrong shape.
    """

    name = "reference float32 cpu"

    def __init__(self, program: DecodeProgram, weights: Mapping[str, Floats]) -> None:
        for name, shape in program.weights.items():
            have = weights[name].shape if name in weights else "missing"
            if have != shape:
                raise TensorMismatchError(f"weight {name!r} is {have}, expected {shape}")
        self.program, self.weights = program, weights
        self.vocab_size, self.max_context = program.vocab_size, program.max_context
        self.max_rewind = self.max_context  # all tokens are kept
        self.sequences = SequenceLengths(0, 0, self.max_rewind)
        self._caches: dict[tuple[int, int], list[Floats]] = {}
        self._is_closed = False

    @classmethod
    def of_checkpoint(cls, program: DecodeProgram, checkpoint: Checkpoint, weight_map: WeightMap) -> ReferenceExecutor:
        """Read a checkpoint's tensors, dequantized to float32.

        Raises:
            TensorMismatchError: The checkpoint does not hold the weights of the program.
        """
        weights: dict[str, Floats] = {}
        for source, target in match_tensors(program.weights, checkpoint, weight_map).items():
            values, transform = checkpoint.read(source), weight_map.transform(target)
            weights[target] = values if transform is None else transform(values)
        return cls(program, weights)

    def allocate(self, slots: int, context: int) -> None:
        """See ``Executor``."""
        self.sequences = SequenceLengths(slots, min(context, self.max_context), self.max_rewind)
        self._caches = {}

    def step(self, batch: TokenBatch) -> Floats:
        """See ``Executor``."""
        if self._is_closed:
            raise NotLoadedError("the executor has been closed; load the model again")
        self.sequences.advance(batch)
        with np.errstate(all="ignore"):  # an infinite weight shows in the result
            return self._run(batch)

    def free(self, slot: int) -> None:
        """See ``Executor``."""
        self.sequences.forget(slot)
        self._caches = {key: cached for key, cached in self._caches.items() if key[0] != slot}

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        """See ``Executor``."""
        attentions = [op for block in self.program.blocks for op in block if isinstance(op, Attention)]
        return sum(lengths) * sum(2 * op.key_heads * op.width * 4 for op in attentions)

    def close(self) -> None:
        """See ``Executor``."""
        self._is_closed = True
        self.weights, self._caches, self.sequences = {}, {}, SequenceLengths(0, 0, 0)

    def _run(self, batch: TokenBatch) -> Floats:
        program = self.program
        embed, head = program.embed, program.logits
        buffers = {embed.target: self.weights[embed.weight][batch.tokens] * np.float32(embed.scale)}
        for operation in (*(op for block in program.blocks for op in block), *program.final):
            _COMPUTE[type(operation)](self, buffers, batch, operation)
        logits = buffers[head.source][batch.logit_rows] @ self.weights[head.weight].T
        return _capped(logits, head.softcap)

    def _norm(self, buffers: dict[str, Floats], batch: TokenBatch, op: Norm) -> None:
        part = buffers[op.source][:, op.column : op.column + op.groups * op.width]
        groups = part.reshape(len(part), op.groups, op.width)
        mean = np.mean(groups * groups, axis=-1, keepdims=True, dtype=np.float32)
        normed = (groups / np.sqrt(mean + np.float32(op.eps)) * self.weights[op.weight]).reshape(part.shape)
        if op.source == op.target:
            part[...] = normed
        else:
            buffers[op.target] = normed

    def _linear(self, buffers: dict[str, Floats], batch: TokenBatch, op: Linear) -> None:
        products = [buffers[op.source] @ self.weights[name].T for name in op.weights]
        for product, name in zip(products, op.biases, strict=False):
            product += self.weights[name]
        buffers[op.target] = np.concatenate(products, axis=1)

    def _rotate(self, buffers: dict[str, Floats], batch: TokenBatch, op: Rotate) -> None:
        frequencies = np.array(self.program.tables[op.table].frequencies, np.float32)
        angles = batch.positions.astype(np.float32)[:, None, None] * frequencies
        cos, sin = np.cos(angles), np.sin(angles)
        part = buffers[op.buffer][:, op.column : op.column + op.heads * op.width]
        heads = part.reshape(len(part), op.heads, op.width)
        half = op.width // 2
        pairs = (slice(0, None, 2), slice(1, None, 2)) if op.is_interleaved else (slice(0, half), slice(half, None))
        first, second = heads[..., pairs[0]], heads[..., pairs[1]]
        turned = np.empty_like(heads)
        turned[..., pairs[0]] = first * cos - second * sin
        turned[..., pairs[1]] = second * cos + first * sin
        part[...] = turned.reshape(part.shape)

    def _attention(self, buffers: dict[str, Floats], batch: TokenBatch, op: Attention) -> None:
        source = buffers[op.source]

        def heads(column: int, count: int) -> Floats:
            return source[:, column : column + count * op.width].reshape(len(source), count, op.width)

        query, key = heads(op.query_column, op.heads), heads(op.key_column, op.key_heads)
        value = heads(op.value_column, op.key_heads)
        out = np.empty((len(source), op.heads, op.width), np.float32)
        for first, length in zip(*batch.spans, strict=True):
            rows = slice(int(first), int(first + length))
            place = int(batch.slots[first]), op.cache
            keys, values = self._extended(place, int(batch.positions[first]), key[rows], value[rows])
            out[rows] = _attend(op, query[rows], keys, values, batch.positions[rows])
        buffers[op.target] = out.reshape(len(source), -1)

    def _extended(self, place: tuple[int, int], start: int, key: Floats, value: Floats) -> list[Floats]:
        """Put keys and values (T, K, C) after the first ``start`` of a slot and cache, and return all of both."""
        before = self._caches.get(place, [key[:0], value[:0]])
        both = [np.concatenate([old[:start], new]) for old, new in zip(before, (key, value), strict=True)]
        self._caches[place] = both
        return both

    def _gated(self, buffers: dict[str, Floats], batch: TokenBatch, op: Gated) -> None:
        gate, up = np.split(buffers[op.source], 2, axis=1)
        buffers[op.target] = _ACTIVATIONS[op.activation](gate) * up

    def _add(self, buffers: dict[str, Floats], batch: TokenBatch, op: Add) -> None:
        buffers[op.target] += buffers[op.source]

    def _scale(self, buffers: dict[str, Floats], batch: TokenBatch, op: Scale) -> None:
        buffers[op.buffer] *= np.float32(op.factor)

    def _copy(self, buffers: dict[str, Floats], batch: TokenBatch, op: Copy) -> None:
        buffers[op.target] = buffers[op.source].copy()


_COMPUTE: dict[type, Callable[[ReferenceExecutor, dict[str, Any], TokenBatch, Any], None]] = {
    Norm: ReferenceExecutor._norm,
    Linear: ReferenceExecutor._linear,
    Rotate: ReferenceExecutor._rotate,
    Attention: ReferenceExecutor._attention,
    Gated: ReferenceExecutor._gated,
    Add: ReferenceExecutor._add,
    Scale: ReferenceExecutor._scale,
    Copy: ReferenceExecutor._copy,
}


def _attend(op: Attention, query: Floats, keys: Floats, values: Floats, positions: NDArray[np.int64]) -> Floats:
    """T queries (T, H, C) over S keys and values (S, K, C), causal and within the window: (T, H, C)."""
    groups = op.heads // op.key_heads
    keys, values = (np.repeat(part, groups, axis=1) for part in (keys, values))
    scores = np.einsum("thc,shc->hts", query, keys) * np.float32(op.scale)
    distance = positions[:, None] - np.arange(len(keys))
    hidden = np.logical_or(distance < 0, distance >= (op.window or len(keys)))
    scores = np.where(hidden, np.float32(-np.inf), _capped(scores, op.softcap))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    # A place outside the window counts for nothing, even if there is no number in it.
    values = np.where(np.all(hidden, axis=0, keepdims=True).T[:, None], np.float32(0), values)
    attended: Floats = np.einsum("hts,shc->thc", weights, values)
    return attended


def _capped(values: Floats, softcap: float | None) -> Floats:
    if softcap is None:
        return values
    capped: Floats = np.float32(softcap) * np.tanh(values / np.float32(softcap))
    return capped


def _silu(x: Floats) -> Floats:
    activated: Floats = x / (np.float32(1) + np.exp(-x))
    return activated


def _gelu_tanh(x: Floats) -> Floats:
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
    activated: Floats = np.float32(0.5) * x * (np.float32(1) + np.tanh(inner))
    return activated


_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {"silu": _silu, "gelu_tanh": _gelu_tanh}
