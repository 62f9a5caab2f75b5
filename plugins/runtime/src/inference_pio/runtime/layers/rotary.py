"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864), halves paired as in GPT-NeoX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from inference_pio.errors import ConfigError

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
        if head_dim % 2 or head_dim < 2:
            raise ConfigError(f"rotary embedding needs an even head width, not {head_dim}")
        self.head_dim = head_dim
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device="cpu") / head_dim
        self.inverse_frequencies = scale_frequencies(1.0 / base**exponents, scaling)
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


def scale_frequencies(frequencies: Tensor, scaling: Mapping[str, Any] | None) -> Tensor:
    """Stretch angular frequencies (C/2,) for contexts longer than the model was first trained on.

    ``linear`` divides all of them (Chen et al. 2023, arXiv:2306.15595); ``llama3`` divides only the low ones and blends
    between (Llama 3.1 model card).

    Raises:
        ConfigError: The rule is unknown, or a number is missing, senseless or of another rule.
    """
    kind = str((scaling or {}).get("rope_type", (scaling or {}).get("type", "default")))
    if kind not in _NUMBERS:
        raise ConfigError(f"rotary scaling {kind!r} is not supported; supported: {', '.join(_NUMBERS)}")
    numbers = {key: value for key, value in (scaling or {}).items() if key not in ("rope_type", "type")}
    _check_numbers(kind, numbers)
    if kind == "linear":
        stretched: Tensor = frequencies / numbers["factor"]
        return stretched
    if kind == "llama3":
        turns = numbers["original_max_position_embeddings"] * frequencies / (2 * math.pi)
        low, high = numbers["low_freq_factor"], numbers["high_freq_factor"]
        blend = ((turns - low) / (high - low)).clamp(0, 1)
        blended: Tensor = blend * frequencies + (1 - blend) * frequencies / numbers["factor"]
        return blended
    return frequencies


_NUMBERS: dict[str, frozenset[str]] = {
    "default": frozenset(),
    "linear": frozenset({"factor"}),
    "llama3": frozenset({"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}),
}


def _check_numbers(kind: str, numbers: Mapping[str, Any]) -> None:
    """Check that a rule has its numbers and no others: a setting of a checkpoint must not be lost in silence."""
    # Some writers note the original length beside every rule; only llama3 computes with it.
    unknown = set(numbers) - _NUMBERS[kind] - {"original_max_position_embeddings"}
    if unknown:
        raise ConfigError(f"rotary scaling {kind!r} does not know {', '.join(map(repr, sorted(unknown)))}")
    for name in sorted(_NUMBERS[kind]):
        if name not in numbers:
            raise ConfigError(f"rotary scaling {kind!r} lacks {name!r}")
        value = numbers[name]
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < math.inf:
            raise ConfigError(f"rotary scaling {kind!r}: {name} = {value!r} must be a number above 0")
    if kind == "llama3" and numbers["high_freq_factor"] <= numbers["low_freq_factor"]:
        raise ConfigError("rotary scaling 'llama3': high_freq_factor must be above low_freq_factor")
