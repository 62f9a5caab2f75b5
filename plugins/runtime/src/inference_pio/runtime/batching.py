"""From what each sequence computes in a step to the ``TokenBatch`` of all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .batch import TokenBatch

if TYPE_CHECKING:
    from .sequence import Sequence


def build_batch(spans: Iterable[tuple[Sequence, int]]) -> tuple[TokenBatch, list[Sequence]]:
    """Put the next tokens of sequences into a batch, and count the known ones as computed.

    Args:
        spans: Sequences with the number of known tokens that each computes; its guesses come on top.

    Returns:
        The batch, and the sequences that have rows of logits in it, in order: each has its ``prompt_rows`` and, if all
        that it knows is now computed, one for its last known token and one for each of its ``guesses``.
    """
    tokens: list[int] = []
    slots: list[int] = []
    positions: list[int] = []
    rows: list[int] = []
    due: list[Sequence] = []
    for sequence, count in spans:
        start, first, known = sequence.computed, len(tokens), sequence.tokens
        sequence.computed = end = start + count
        if count == 1 and end == len(known) and not sequence.guesses:  # nearly all of them, and so as cheap as it goes
            sequence.prompt_rows = 0
            rows.append(first)
            due.append(sequence)
            tokens.append(known[start])
            slots.append(sequence.slot)
            positions.append(start)
            continue
        wanted, last = max(sequence.wanted_from, start), len(known) - 1
        stop = end + len(sequence.guesses) if end > last else end
        sequence.prompt_rows = max(0, min(end, last) - wanted)
        if wanted < end:
            rows += range(first + wanted - start, first + stop - start)
            due.append(sequence)
        tokens += known[start:end] + sequence.guesses
        slots += [sequence.slot] * (stop - start)
        positions += range(start, stop)
    arrays = (np.array(values, dtype=np.int64) for values in (tokens, slots, positions, rows))
    return TokenBatch(*arrays), due
