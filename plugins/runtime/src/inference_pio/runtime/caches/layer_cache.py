"""Keys and values of one layer: for full attention, and for a sliding window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch

from ..sequence_lengths import ring_places

if TYPE_CHECKING:
    from torch import Tensor

    from ..step import Chunk, Step

FIRST_PLACES = 256
"""Places a cache starts with; it doubles from there, so that a short chat in a long context stays small."""

MOST_DOUBLED_SLOTS = 64
"""Slots double up to here, and then come in so many."""


class LayerCache(ABC):
    """Keys and values of one layer for N slots, (N, K, places, C) each; grows in slots and places as they are used.

    All slots have the same number of places, so that a batch of any sequences is one view: a long sequence beside many
    short ones costs as much as if all were long.

    Args:
        heads: Key/value heads K.
        width: Head width C.
        limit: Places a slot may grow to, tokens.
        device: Where the cache lives.
        dtype: Of keys and values.
    """

    window: int | None = None

    def __init__(self, *, heads: int, width: int, limit: int, device: torch.device, dtype: torch.dtype) -> None:
        self.limit = limit
        self.keys = torch.empty(0, heads, min(FIRST_PLACES, limit), width, device=device, dtype=dtype)
        self.values = torch.empty_like(self.keys)

    @property
    def n_bytes(self) -> int:
        """Bytes that keys and values take now."""
        return 2 * self.keys.nbytes

    def bytes_read(self, context: int) -> int:
        """Bytes that a token of one sequence attends to after ``context`` tokens."""
        return self.token_bytes * min(context, self.window or context)

    def bytes_for(self, slots: int, places: int) -> int:
        """Bytes that keys and values take in a cache with room for ``slots`` slots of ``places`` tokens and no more."""
        if not slots:
            return 0
        n, p = self._rounded(slots, places)
        return n * p * self.token_bytes

    def reserve(self, slots: int, places: int) -> None:
        """Make room for ``slots`` slots of ``places`` tokens, keeping what is cached."""
        if self.is_short(slots, places):
            n, p = self._rounded(slots, places)
            self._resize(max(n, self.keys.shape[0]), max(p, self.keys.shape[2]))

    def fit(self, slots: int, places: int) -> None:
        """Take the memory of ``slots`` slots of ``places`` tokens, no more, no less; what lies beyond is forgotten."""
        n, p = self._rounded(slots, places)
        if (n, p) != (self.keys.shape[0], self.keys.shape[2]):
            self._resize(n, p)

    def is_short(self, slots: int, places: int) -> bool:
        """Whether ``slots`` slots of ``places`` tokens need more than there is."""
        n, _, have, _ = self.keys.shape
        return slots > n or min(places, self.limit) > have

    def _rounded(self, slots: int, places: int) -> tuple[int, int]:
        """Slots and places that are allocated for so many: powers of two, by their number alone."""
        n = (
            _power_of_two(slots)
            if slots <= MOST_DOUBLED_SLOTS
            else -(-slots // MOST_DOUBLED_SLOTS) * MOST_DOUBLED_SLOTS
        )
        return n, min(self.limit, max(FIRST_PLACES, _power_of_two(places)))

    def _resize(self, slots: int, places: int) -> None:
        n, heads, have, width = self.keys.shape
        n, have = min(n, slots), min(have, places)

        def resized(old: Tensor) -> Tensor:
            # Zeros, not garbage: masked places still enter the matrix product, and NaN times zero is NaN.
            new = old.new_zeros(slots, heads, places, width)
            new[:n, :, :have] = old[:n, :, :have]
            return new

        self.keys, self.values = resized(self.keys), resized(self.values)

    @property
    def token_bytes(self) -> int:
        """Bytes of one token's key and value."""
        _, heads, _, width = self.keys.shape
        return 2 * heads * width * self.keys.itemsize

    def remembers(self, position: int, longest: int) -> bool:
        """Whether a sequence that has been ``longest`` tokens long still has the one at ``position``."""
        return True

    def read(self, slot: int, start: int, end: int) -> Tensor:
        """Copy the keys and values of positions ``start`` to ``end - 1``, (2, K, T, C)."""
        places = self._places(start, end)
        return torch.stack((self.keys[slot, :, places], self.values[slot, :, places]))

    def write(self, slot: int, start: int, tokens: Tensor) -> None:
        """Put keys and values that were read, (2, K, T, C), to positions from ``start`` on."""
        end = start + tokens.shape[2]
        self.reserve(slot + 1, end)
        places = self._places(start, end)
        self.keys[slot, :, places], self.values[slot, :, places] = tokens[0], tokens[1]

    @abstractmethod
    def _places(self, start: int, end: int) -> slice | Tensor:
        """Return where positions ``start`` to ``end - 1`` lie in a slot."""

    def forget(self, slot: int, tokens: int) -> None:
        """Overwrite the ``tokens`` places that a sequence took with zeros.

        The next sequence of the slot sees only its own places, but all of them enter the matrix product: an overflow
        (NaN) of one request would come up again in another.
        """
        if slot < len(self.keys):
            self.keys[slot, :, :tokens] = 0
            self.values[slot, :, :tokens] = 0

    def clear(self) -> None:
        """Forget every sequence and give the memory back."""
        _, heads, _, width = self.keys.shape
        self.keys = self.keys.new_empty(0, heads, min(FIRST_PLACES, self.limit), width)
        self.values = torch.empty_like(self.keys)

    def extend_singles(self, step: Step, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add one token to each of B sequences.

        Args:
            step: Knows slots and positions.
            keys: (B, K, C).
            values: (B, K, C).

        Returns:
            Keys and values to attend to, (B, K, S, C), S being the longest sequence or the ring;
            ``step.single_mask(window)`` says which places count.
        """
        length = step.single_extent(self.window)
        self.reserve(step.slots_needed, length)
        if len(step.single_slots) == 1:  # plain slices cost a third of indexed writes, and this is every step of a chat
            slot, place = step.single_slots[0], step.single_positions[0]
            place = place if self.window is None else place % ring_places(self.window)
            self.keys[slot, :, place] = keys[0]
            self.values[slot, :, place] = values[0]
        else:
            places = step.single_places(self.window)
            self.keys[step.slot_tensor, :, places] = keys
            self.values[step.slot_tensor, :, places] = values
        return self.keys[step.slot_index, :, :length], self.values[step.slot_index, :, :length]

    @abstractmethod
    def extend_chunk(self, chunk: Chunk, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add T tokens to one sequence.

        Args:
            chunk: Slot and positions.
            keys: (K, T, C).
            values: (K, T, C).

        Returns:
            Keys and values to attend to, (K, S, C); ``step.chunk_mask(chunk, window)`` says which places count.
        """


class FullCache(LayerCache):
    """Remembers every token: place = position."""

    def extend_chunk(self, chunk: Chunk, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See ``LayerCache``; S counts from position 0."""
        end = chunk.start + chunk.length
        self.reserve(chunk.slot + 1, end)
        self.keys[chunk.slot, :, chunk.start : end] = keys
        self.values[chunk.slot, :, chunk.start : end] = values
        return self.keys[chunk.slot, :, :end], self.values[chunk.slot, :, :end]

    def _places(self, start: int, end: int) -> slice:
        return slice(start, end)


class RollingCache(LayerCache):
    """Remembers the last W + ``MAX_REWIND`` tokens in a ring: place = position modulo its length.

    A sequence that goes back by up to ``MAX_REWIND`` tokens so finds its window as it was. The order of the places does
    not matter, for positions are in the keys already.

    Args:
        window: Tokens a query sees, itself included, W.
        heads: Key/value heads K.
        width: Head width C.
        limit: Longest sequence, tokens; the ring is never longer.
        device: Where the cache lives.
        dtype: Of keys and values.
    """

    def __init__(
        self, *, window: int, heads: int, width: int, limit: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.places = ring_places(window)
        super().__init__(heads=heads, width=width, limit=min(self.places, limit), device=device, dtype=dtype)
        self.window: int = window

    def extend_chunk(self, chunk: Chunk, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See ``LayerCache``; S is T and up to W - 1 tokens before the chunk."""
        end = chunk.start + chunk.length
        self.reserve(chunk.slot + 1, end)
        before = torch.arange(chunk.start - min(chunk.start, self.window - 1), chunk.start, device=keys.device)
        places = before % self.places
        seen_keys = torch.cat((self.keys[chunk.slot, :, places], keys), dim=1)
        seen_values = torch.cat((self.values[chunk.slot, :, places], values), dim=1)
        kept = min(chunk.length, self.places)
        places = torch.arange(end - kept, end, device=keys.device) % self.places
        self.keys[chunk.slot, :, places] = keys[:, -kept:]
        self.values[chunk.slot, :, places] = values[:, -kept:]
        return seen_keys, seen_values

    def remembers(self, position: int, longest: int) -> bool:
        """See ``LayerCache``."""
        return position >= longest - self.places

    def write(self, slot: int, start: int, tokens: Tensor) -> None:
        """See ``LayerCache``; only the last places are kept."""
        passed = max(0, tokens.shape[2] - self.places)
        super().write(slot, start + passed, tokens[:, :, passed:])

    def _places(self, start: int, end: int) -> Tensor:
        return torch.arange(start, end, device=self.keys.device) % self.places


def _power_of_two(count: int) -> int:
    """The least power of two that is not below ``count``, a positive number."""
    return 1 << (count - 1).bit_length()
