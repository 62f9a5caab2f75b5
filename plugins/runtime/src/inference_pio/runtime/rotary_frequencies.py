"""Angular frequencies of rotary position embeddings, and the rules that stretch them. Numpy only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS: dict[str, frozenset[str]] = {
    "default": frozenset(),
    "linear": frozenset({"factor"}),
    "llama3": frozenset({"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}),
}


def inverse_frequencies(head_dim: int, *, base: float, scaling: Mapping[str, Any] | None = None) -> NDArray[np.float32]:
    """Return by how much the angle of each pair grows a position, radians, (C/2,) float32.

    Args:
        head_dim: Head width C, even.
        base: Angles of pair i advance by ``base ** (-2 i / C)`` a position.
        scaling: ``None``, or a mapping with ``rope_type`` ``linear`` or ``llama3`` and its numbers, as in
            ``config.json``.

    Raises:
        ConfigError: The width is odd, or the rule is unknown, or a number is missing, senseless or of another rule.
    """
    if head_dim % 2 or head_dim < 2:
        raise ConfigError(f"rotary embedding needs an even head width, not {head_dim}")
    # In float32 throughout, as checkpoints' authors computed: a better rounding would be another model.
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    return scale_frequencies(np.float32(1.0) / np.float32(base) ** exponents, scaling)


def scale_frequencies(frequencies: NDArray[np.float32], scaling: Mapping[str, Any] | None) -> NDArray[np.float32]:
    """Stretch angular frequencies (C/2,) for contexts longer than the model was first trained on.

    ``linear`` divides all of them (Chen et al. 2023, arXiv:2306.15595); ``llama3`` divides only the low ones and blends
    between (Llama 3.1 model card).

    Raises:
        ConfigError: The rule is unknown, or a number is missing, senseless or of another rule.
    """
    kind = str((scaling or {}).get("rope_type", (scaling or {}).get("type", "default")))
    if kind not in _NUMBERS:
        raise ConfigError(f"rotary scaling {kind!r} is not supported; supported: {', '.join(_NUMBERS)}")
    given = {key: value for key, value in (scaling or {}).items() if key not in ("rope_type", "type")}
    _check_numbers(kind, given)
    numbers = {key: np.float32(value) for key, value in given.items() if key in _NUMBERS[kind]}
    if kind == "linear":
        stretched: NDArray[np.float32] = frequencies / numbers["factor"]
        return stretched
    if kind == "llama3":
        turns = numbers["original_max_position_embeddings"] * frequencies / np.float32(2 * math.pi)
        low, high = numbers["low_freq_factor"], numbers["high_freq_factor"]
        blend = ((turns - low) / (high - low)).clip(0, 1)
        blended: NDArray[np.float32] = blend * frequencies + (1 - blend) * frequencies / numbers["factor"]
        return blended
    return frequencies


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
