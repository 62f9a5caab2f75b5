"""``DecodeProgram``: what a decoder-only model computes for a batch of tokens, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .listing import list_program
from .operations import Attention, BlockOperation, Embed, Logits, Operation
from .validation import validate


@dataclass(frozen=True, kw_only=True)
class RotaryTable:
    """A rotary position embedding.

    Attributes:
        frequencies: Radians by which each pair of a head turns a position, C / 2 of them.
    """

    frequencies: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DecodeProgram:
    """A model as a list of operations on buffers; the same for any number of rows. Validated when it is made.

    Attributes:
        name: For people: ``smollm2``.
        vocab_size: Width V of a row of logits, and rows of the embedding.
        max_context: Longest sequence, tokens.
        buffers: Width of each buffer, by name.
        tables: Rotary tables by name.
        embed: The first operation.
        blocks: Operations of each decoder block.
        final: What comes after the last block.
        logits: The last operation.

    Raises:
        ProgramError: It contradicts itself.
    """

    name: str
    vocab_size: int
    max_context: int
    buffers: Mapping[str, int]
    tables: Mapping[str, RotaryTable]
    embed: Embed
    blocks: tuple[tuple[BlockOperation, ...], ...]
    final: tuple[BlockOperation, ...]
    logits: Logits

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", validate(self))

    @property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of every weight, by the model's own name, in the order of use."""
        found: Mapping[str, tuple[int, ...]] = self._weights  # type: ignore[attr-defined]  # set once it is valid
        return found

    @property
    def operations(self) -> Iterator[Operation]:
        """All operations, first to last."""
        yield self.embed
        for block in self.blocks:
            yield from block
        yield from self.final
        yield self.logits

    @property
    def attentions(self) -> list[Attention]:
        """The attention of each cache, by its number."""
        return [operation for operation in self.operations if isinstance(operation, Attention)]

    def __str__(self) -> str:
        return list_program(self)
