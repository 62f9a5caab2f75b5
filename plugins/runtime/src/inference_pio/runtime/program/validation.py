"""Checks a decode program before anything is allocated for it: names, widths, order, heads, numbers.

An executor in C++ takes sizes from a program and must be able to believe them, and a model's author should hear of a
mistake by name and not by wrong text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .errors import ProgramError
from .operations import Add, Attention, Copy, Embed, Gated, Linear, Logits, Norm, Rotate, Scale

if TYPE_CHECKING:
    from .program import DecodeProgram

LARGEST = 1 << 31
"""No width, number of rows or context reaches it: products of two of them stay within 64 bits."""

GREATEST = 3.4028234663852886e38
"""The greatest float32: executors compute in it, and a larger number would become infinite there."""

ACTIVATIONS = ("silu", "gelu_tanh")


def validate(program: DecodeProgram) -> Mapping[str, tuple[int, ...]]:
    """Check a program.

    Returns:
        Shape of every weight, in the order of use.

    Raises:
        ProgramError: It contradicts itself; the message names the block and the operation.
    """
    checker = _Checker(program)
    checker.declarations()
    checker.operation("embed", program.embed, (Embed,))
    within = tuple(kind for kind in _CHECKS if kind not in (Embed, Logits))
    for number, block in enumerate(_sequence("blocks", program.blocks)):
        checker.operations(f"block {number}", block, within)
    checker.operations("after the blocks", program.final, within)
    checker.operation("logits", program.logits, (Logits,))
    checker.everything_is_used()
    return checker.weights


class _Checker:
    """Walks the operations in order and remembers what is written, seen and of which shape."""

    def __init__(self, program: DecodeProgram) -> None:
        self.program = program
        self.weights: dict[str, tuple[int, ...]] = {}
        self.written: set[str] = set()
        self.tables: set[str] = set()
        self.caches = 0
        self.where = "the program"

    def fail(self, fault: str) -> ProgramError:
        return ProgramError(f"decode program {self.program.name!r}, {self.where}: {fault}")

    def declarations(self) -> None:
        program = self.program
        self.name("name", program.name)
        self.count("vocab_size", program.vocab_size)
        self.count("max_context", program.max_context)
        for what, mapping in (("buffers", program.buffers), ("tables", program.tables)):
            if not isinstance(mapping, Mapping):
                raise self.fail(f"{what} is no mapping")
            for name in mapping:
                self.name(what, name)
        for name, width in program.buffers.items():
            self.count(f"width of buffer {name!r}", width)
        for name, table in program.tables.items():
            frequencies = getattr(table, "frequencies", None)
            if not isinstance(frequencies, tuple) or not frequencies:
                raise self.fail(f"rotary table {name!r} has no frequencies")
            for frequency in frequencies:
                self.number(f"a frequency of rotary table {name!r}", frequency, above=0.0)

    def operations(self, where: str, operations: Iterable[Any], kinds: tuple[type, ...]) -> None:
        self.where = where
        for number, operation in enumerate(_sequence(where, operations)):
            self.operation(f"{where}, operation {number}", operation, kinds)

    def operation(self, where: str, operation: Any, kinds: tuple[type, ...]) -> None:
        self.where = where
        if type(operation) not in kinds:
            names = ", ".join(kind.__name__ for kind in kinds)
            raise self.fail(f"{type(operation).__name__} has no place here; possible: {names}")
        self.where = f"{where} ({type(operation).__name__})"
        _CHECKS[type(operation)](self, operation)

    def everything_is_used(self) -> None:
        self.where = "the program"
        for what, unused in (
            ("buffers", set(self.program.buffers) - self.written),
            ("rotary tables", set(self.program.tables) - self.tables),
        ):
            if unused:  # most often a misspelt name
                raise self.fail(f"{what} that nothing uses: {', '.join(sorted(unused))}")

    # Values.

    def name(self, what: str, value: Any) -> None:
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.fail(f"{what}: {value!r} is no name")

    def count(self, what: str, value: Any, least: int = 1) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < LARGEST:
            raise self.fail(f"{what} = {value!r} is not a whole number from {least} to {LARGEST - 1}")
        return value

    def number(self, what: str, value: Any, *, above: float = -math.inf) -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not (above < value and -GREATEST <= value <= GREATEST):
            raise self.fail(f"{what} = {value!r} is not a finite number" + (f" above {above:g}" if above == 0 else ""))

    # Buffers and weights.

    def width(self, buffer: Any) -> int:
        width = self.program.buffers.get(buffer) if isinstance(buffer, str) else None
        if width is None:
            raise self.fail(f"there is no buffer {buffer!r}")
        return width

    def read(self, buffer: Any) -> int:
        width = self.width(buffer)
        if buffer not in self.written:
            raise self.fail(f"buffer {buffer!r} is read before anything was written to it")
        return width

    def write(self, buffer: Any, width: int) -> None:
        have = self.width(buffer)
        if have != width:
            raise self.fail(f"buffer {buffer!r} is {have} wide, what is written to it {width}")
        self.written.add(buffer)

    def not_in_place(self, source: Any, target: Any) -> None:
        self.width(source)
        self.width(target)  # two names from here on: what else somebody wrote may not even compare
        if source == target:
            raise self.fail(f"it cannot work in place, and reads and writes {source!r}")

    def columns(self, what: str, buffer: str, column: Any, heads: Any, width: Any) -> range:
        """Return the columns of neighbouring heads, which must lie within the buffer."""
        first = self.count(f"first column of {what}", column, 0)
        length = self.count(f"number of {what}", heads) * self.count(f"width of {what}", width)
        if first + length > self.width(buffer):
            raise self.fail(
                f"{what} end at column {first + length} of buffer {buffer!r}, which is {self.width(buffer)} wide"
            )
        return range(first, first + length)

    def weight(self, name: Any, shape: tuple[int, ...]) -> None:
        self.name("weight", name)
        if self.weights.setdefault(name, shape) != shape:
            raise self.fail(f"weight {name!r} is used as {shape} here and as {self.weights[name]} before")


def _sequence(what: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise ProgramError(f"{what}: a tuple is expected, not {type(value).__name__}")
    return value


def _embed(check: _Checker, op: Embed) -> None:
    check.number("scale", op.scale)
    width = check.width(op.target)
    check.weight(op.weight, (check.program.vocab_size, width))
    check.write(op.target, width)


def _norm(check: _Checker, op: Norm) -> None:
    check.number("eps", op.eps, above=0.0)
    width = check.read(op.source)
    check.width(op.target)
    columns = check.columns("groups", op.source, op.column, op.groups, op.width)
    check.weight(op.weight, (op.width,))
    if op.source != op.target:
        if len(columns) != width:
            raise check.fail("some columns can only be normalised in place, and it writes to another buffer")
        check.write(op.target, width)


def _linear(check: _Checker, op: Linear) -> None:
    check.not_in_place(op.source, op.target)
    width = check.read(op.source)
    weights, rows, biases = (_sequence(check.where, part) for part in (op.weights, op.rows, op.biases))
    if not weights or len(weights) != len(rows) or len(biases) not in (0, len(weights)):
        raise check.fail(
            f"{len(weights)} weights, {len(rows)} numbers of rows and {len(biases)} biases do not go together"
        )
    for name, count in zip(weights, rows, strict=True):
        check.weight(name, (check.count(f"rows of {name!r}", count), width))
    for name, count in zip(biases, rows, strict=False):
        check.weight(name, (count,))
    check.write(op.target, sum(rows))


def _rotate(check: _Checker, op: Rotate) -> None:
    check.read(op.buffer)
    check.columns("heads", op.buffer, op.column, op.heads, op.width)
    check.name("rotary table", op.table)
    if op.table not in check.program.tables:
        raise check.fail(f"there is no rotary table {op.table!r}")
    if not isinstance(op.is_interleaved, bool):
        raise check.fail(f"is_interleaved = {op.is_interleaved!r} is neither True nor False")
    pairs = len(check.program.tables[op.table].frequencies)
    if op.width != 2 * pairs:
        raise check.fail(f"heads are {op.width} wide, and rotary table {op.table!r} has {pairs} pairs")
    check.tables.add(op.table)


def _attention(check: _Checker, op: Attention) -> None:
    check.not_in_place(op.source, op.target)
    check.read(op.source)
    places = [
        check.columns("query heads", op.source, op.query_column, op.heads, op.width),
        check.columns("key heads", op.source, op.key_column, op.key_heads, op.width),
        check.columns("value heads", op.source, op.value_column, op.key_heads, op.width),
    ]
    places.sort(key=lambda place: place.start)
    if any(one.stop > other.start for one, other in pairwise(places)):
        raise check.fail("queries, keys and values overlap")
    if op.heads % op.key_heads:
        raise check.fail(f"{op.heads} query heads are no multiple of {op.key_heads} key heads")
    if check.count("cache", op.cache, 0) != check.caches:
        raise check.fail(f"cache {op.cache} comes where {check.caches} belongs: each attention has its own, in order")
    check.caches += 1
    check.number("scale", op.scale, above=0.0)
    if op.window is not None:
        check.count("window", op.window)
    if op.softcap is not None:
        check.number("softcap", op.softcap, above=0.0)
    check.write(op.target, op.heads * op.width)


def _gated(check: _Checker, op: Gated) -> None:
    check.not_in_place(op.source, op.target)
    width = check.read(op.source)
    check.name("activation", op.activation)
    if op.activation not in ACTIVATIONS:
        raise check.fail(f"activation {op.activation!r} is unknown; known: {', '.join(ACTIVATIONS)}")
    if width % 2:
        raise check.fail(f"buffer {op.source!r} is {width} wide, which are no two halves")
    check.write(op.target, width // 2)


def _add(check: _Checker, op: Add) -> None:
    check.not_in_place(op.source, op.target)
    check.read(op.target)
    check.write(op.target, check.read(op.source))


def _scale(check: _Checker, op: Scale) -> None:
    check.number("factor", op.factor)
    check.read(op.buffer)


def _copy(check: _Checker, op: Copy) -> None:
    check.not_in_place(op.source, op.target)
    check.write(op.target, check.read(op.source))


def _logits(check: _Checker, op: Logits) -> None:
    if op.softcap is not None:
        check.number("softcap", op.softcap, above=0.0)
    check.weight(op.weight, (check.program.vocab_size, check.read(op.source)))


_CHECKS: dict[type, Callable[[_Checker, Any], None]] = {
    Embed: _embed,
    Norm: _norm,
    Linear: _linear,
    Rotate: _rotate,
    Attention: _attention,
    Gated: _gated,
    Add: _add,
    Scale: _scale,
    Copy: _copy,
    Logits: _logits,
}
