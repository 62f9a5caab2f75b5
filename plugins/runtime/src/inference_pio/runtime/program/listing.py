"""A decode program as text: one line an operation, blocks that do the same listed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operations import BlockOperation
    from .program import DecodeProgram


def list_program(program: DecodeProgram) -> str:
    """Return the listing that ``print(program)`` shows; ``{n}`` stands for the number of a block."""
    buffers = ", ".join(f"{name} {width}" for name, width in program.buffers.items())
    lines = [
        f"{program.name}: {len(program.blocks)} blocks, vocabulary {program.vocab_size}, context {program.max_context}",
        f"buffers: {buffers}",
        *(_table(name, table.frequencies) for name, table in program.tables.items()),
        str(program.embed),
    ]
    kinds: dict[str, list[int]] = {}
    for number, block in enumerate(program.blocks):
        kinds.setdefault(_body(number, block), []).append(number)
    for body, numbers in kinds.items():
        lines += [f"{'block' if len(numbers) == 1 else 'blocks'} {_ranges(numbers)}:", body]
    lines += [*map(str, program.final), str(program.logits)]
    return "\n".join(lines)


def _table(name: str, frequencies: tuple[float, ...]) -> str:
    return f"table {name}: {len(frequencies)} pairs, {max(frequencies):.3g} to {min(frequencies):.3g} radians a token"


def _body(number: int, block: Iterable[BlockOperation]) -> str:
    lines = (str(operation) for operation in block)
    return "\n".join(
        "  " + line.replace(f"layers.{number}.", "layers.{n}.").replace(f"cache {number},", "cache {n},")
        for line in lines
    )


def _ranges(numbers: list[int]) -> str:
    """Write ``[0, 1, 2, 5]`` as ``0-2, 5``."""
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in _runs(numbers))


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
