"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), halves paired as in GPT-NeoX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..rotary_frequencies import inverse_frequencies

if TYPE_CHECKING:
    from torch import Tensor


class RotaryEmbedding:
    """Rotates query and key vectors by an angle that grows with the position.

    Element i of a head is paired with element i + C/2. Not a module: it has no weights, only a table that grows with
    the longest position seen.

    Args:
        head_dim: Head width C, even.
        base: Angles of pair i advance by ``base ** (-2 i / C)`` a position.
        scaling: ``None``, or a mapping with ``rope_type`` ``linear`` or ``llama3`` and its numbers, as in
            ``config.json``.
    """

    def __init__(self, *, head_dim: int, base: float, scaling: Mapping[str, Any] | None = None) -> None:
        self.head_dim = head_dim
        self.inverse_frequencies = torch.from_numpy(inverse_frequencies(head_dim, base=base, scaling=scaling))
        self._cos = self._sin = torch.empty(0, head_dim // 2, device="cpu")

    def tables(self, positions: Tensor, longest: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosine and sine for ``positions`` (M,) int64, each (M, 1, C/2).

        Args:
            positions: Absolute positions.
            longest: The greatest of them, known to the caller without a synchronisation.
            dtype: Of the result.
        """
        if longest >= len(self._cos) or self._cos.device != positions.device or self._cos.dtype != dtype:
            self._grow(longest + 1, positions.device, dtype)
        return self._cos[positions].unsqueeze(1), self._sin[positions].unsqueeze(1)

    def _grow(self, length: int, device: torch.device, dtype: torch.dtype) -> None:
        capacity = max(256, 1 << (length - 1).bit_length())
        angles = torch.outer(torch.arange(capacity, dtype=torch.float32, device="cpu"), self.inverse_frequencies)
        self._cos = angles.cos().to(device=device, dtype=dtype)
        self._sin = angles.sin().to(device=device, dtype=dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate heads ``x`` (M, heads, C) by the angles of ``RotaryEmbedding.tables``; returns a new tensor."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
