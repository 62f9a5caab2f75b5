"""What all layers of one step share, computed once a step: positions, rotary tables, attention masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from .sequence_lengths import ring_places

if TYPE_CHECKING:
    from torch import Tensor

    from .batch import TokenBatch
    from .layers.rotary import RotaryEmbedding


@dataclass(frozen=True)
class Chunk:
    """Several new tokens of one sequence: rows ``first`` to ``first + length`` of the batch.

    Attributes:
        first: First row in the batch.
        length: Number of tokens T.
        slot: Cache slot.
        start: Position of the first token.
    """

    first: int
    length: int
    slot: int
    start: int


class Step:
    """A ``TokenBatch`` as layers need it.

    Sequences with one new token are attended together (``single_*``), the others one after another (``chunks``).

    Args:
        batch: The tokens.
        device: Where the model is.
        dtype: Floating-point type of the activations.
    """

    def __init__(self, batch: TokenBatch, *, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self.tokens = torch.from_numpy(batch.tokens).to(device)
        self.positions = torch.from_numpy(batch.positions).to(device)
        self.longest = int(batch.positions.max())
        starts, lengths = batch.spans
        self.chunks = [
            Chunk(int(first), int(length), int(batch.slots[first]), int(batch.positions[first]))
            for first, length in zip(starts, lengths, strict=True)
            if length > 1
        ]
        singles = starts[lengths == 1]
        self.single_slots: list[int] = batch.slots[singles].tolist()
        self.single_positions: list[int] = batch.positions[singles].tolist()
        self.single_rows = torch.from_numpy(singles).to(device)
        self.is_all_single = len(singles) == len(batch.tokens)
        self._rotary: dict[int, tuple[Tensor, Tensor]] = {}
        # By window, which layers of one kind share.
        self._masks: dict[tuple[int | None, Chunk | None], Tensor | None] = {}
        self._places: dict[int | None, Tensor] = {}

    @cached_property
    def slots_needed(self) -> int:
        """One more than the highest slot of the single tokens."""
        return max(self.single_slots) + 1

    @cached_property
    def slot_index(self) -> Tensor | slice:
        """Slots of the single tokens: a slice when they are consecutive, so that reading the cache copies nothing."""
        first, count = self.single_slots[0], len(self.single_slots)
        if self.single_slots == list(range(first, first + count)):
            return slice(first, first + count)
        return torch.tensor(self.single_slots, device=self.device)

    @cached_property
    def slot_tensor(self) -> Tensor:
        """Slots of the single tokens, (B,) int64."""
        return torch.tensor(self.single_slots, device=self.device)

    @cached_property
    def single_tensor(self) -> Tensor:
        """Positions of the single tokens, (B,) int64."""
        return torch.tensor(self.single_positions, device=self.device)

    def single_extent(self, window: int | None) -> int:
        """How many places of a cache hold all that the single tokens see."""
        longest = max(self.single_positions) + 1
        return longest if window is None else min(longest, ring_places(window))

    def single_places(self, window: int | None) -> Tensor:
        """Where the single tokens go in a cache, (B,) int64: their positions, in a ring modulo its length."""
        if window not in self._places:
            positions = self.single_tensor
            self._places[window] = positions if window is None else positions % ring_places(window)
        return self._places[window]

    def rotary(self, rotary: RotaryEmbedding) -> tuple[Tensor, Tensor]:
        """Cosine and sine of every row, each (M, 1, C/2); layers that share a rotary embedding share the tables."""
        if id(rotary) not in self._rotary:
            self._rotary[id(rotary)] = rotary.tables(self.positions, self.longest, self.dtype)
        return self._rotary[id(rotary)]

    def single_mask(self, window: int | None) -> Tensor | None:
        """Which cached places the single tokens see, (B, 1, 1, S) bool; ``None`` when they all see all of them."""
        key = (window, None)
        if key not in self._masks:
            longest, extent = max(self.single_positions) + 1, self.single_extent(window)
            if min(self.single_positions) + 1 == longest <= (window or longest):
                self._masks[key] = None
            else:
                ages = self.single_tensor[:, None] - torch.arange(extent, device=self.device)
                if window is not None:
                    # What lies ahead of a token in the ring was written a round ago, or was taken back, or never.
                    ages %= ring_places(window)
                    seen = ages < torch.clamp(self.single_tensor[:, None] + 1, max=window)
                else:
                    seen = ages >= 0
                self._masks[key] = seen[:, None, None]
        return self._masks[key]

    def chunk_mask(self, chunk: Chunk, window: int | None) -> Tensor | None:
        """Which of the S keys each token of a chunk sees, (T, S) bool; ``None`` when plain causal masking says it.

        The keys are those of ``LayerCache.extend_chunk``: without a window from position 0, with one the chunk's own
        and up to W - 1 before it.
        """
        if chunk.start == 0 and (window is None or chunk.length <= window):
            return None
        key = (window, chunk)
        if key not in self._masks:
            before = chunk.start if window is None else min(chunk.start, window - 1)
            queries = torch.arange(before, before + chunk.length, device=self.device)[:, None]
            keys = torch.arange(before + chunk.length, device=self.device)[None]
            mask = keys <= queries
            self._masks[key] = mask if window is None else mask & (queries - keys < window)
        return self._masks[key]
