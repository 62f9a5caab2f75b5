"""What each kernel computes, in numpy: float64, except where the rounding of float32 is part of the definition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

GROUP = 32
NOTHING = np.float32(1e-30)
"""A group of activations below it counts as zeros."""


def quantize(x: Floats) -> tuple[NDArray[np.int8], Floats, NDArray[np.int32]]:
    """Integers (M, K), scales (M, K / 32) and sums (M, K / 32) of activations (M, K); to the bit."""
    groups = x.reshape(len(x), -1, GROUP)
    top = np.abs(groups).max(axis=-1)
    is_number = np.isfinite(groups).all(axis=-1)
    is_used = is_number & (top >= NOTHING)
    inverse = np.float32(127) / np.where(is_used, top, np.float32(127))
    q = np.rint(np.where(is_used[..., None], groups, np.float32(0)) * inverse[..., None]).astype(np.int8)
    scales = np.where(is_number, np.where(is_used, top / np.float32(127), np.float32(0)), np.float32(np.nan))
    return q.reshape(x.shape), scales, q.sum(axis=-1, dtype=np.int32)


def rounded(x: Floats) -> Doubles:
    """What a quantized product makes of activations, (M, K)."""
    q, scales, _ = quantize(x)
    values: Doubles = q.reshape(len(x), -1, GROUP) * scales.astype(np.float64)[..., None]
    return values.reshape(x.shape)


def product(x: NDArray[np.floating], weight: Floats) -> Doubles:
    """(M, N) of (M, K) and (N, K)."""
    out: Doubles = x.astype(np.float64) @ weight.astype(np.float64).T
    return out


def rms_norm(x: Floats, weight: Floats, epsilon: float) -> Doubles:
    wide = x.astype(np.float64)
    out: Doubles = wide / np.sqrt(np.mean(wide**2, axis=-1, keepdims=True) + epsilon) * weight
    return out


def rotate(x: Floats, positions: NDArray[np.int64], frequencies: Floats, *, is_interleaved: bool) -> Doubles:
    """Heads (M, H, C) turned; the first 2 P columns of each, the rest stays."""
    pairs = len(frequencies)
    angles = (positions.astype(np.float32)[:, None] * frequencies).astype(np.float64)[:, None, :]
    out = x.astype(np.float64)
    one, other = (
        (slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)) if is_interleaved else (slice(pairs), slice(pairs, 2 * pairs))
    )
    a, b = x[..., one].astype(np.float64), x[..., other].astype(np.float64)
    out[..., one] = a * np.cos(angles) - b * np.sin(angles)
    out[..., other] = b * np.cos(angles) + a * np.sin(angles)
    return out


def silu(x: NDArray[np.floating]) -> Doubles:
    with np.errstate(over="ignore"):
        out: Doubles = x / (1 + np.exp(-x.astype(np.float64)))
    return out


def gelu_tanh(x: NDArray[np.floating]) -> Doubles:
    wide = x.astype(np.float64)
    out: Doubles = wide / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)))
    return out


def softcap(x: NDArray[np.floating], cap: float) -> Doubles:
    return cap * np.tanh(x.astype(np.float64) / cap)


def attention(
    q: Floats,
    k: Floats,
    v: Floats,
    *,
    scale: float,
    window: int = 0,
    cap: float = 0.0,
) -> Doubles:
    """One sequence from position 0: queries (T, H, C), keys and values (T, K, C), H a multiple of K; (T, H, C)."""
    tokens, heads, _ = q.shape
    group = heads // k.shape[1]
    wide = [np.repeat(each.astype(np.float64), group, axis=1) for each in (k, v)]
    scores = np.einsum("thc,shc->hts", q.astype(np.float64), wide[0]) * scale
    if cap:
        scores = softcap(scores, cap)
    distance = np.arange(tokens)[:, None] - np.arange(tokens)
    is_seen = (distance >= 0) & ((distance < window) if window else True)
    scores = np.where(is_seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    out: Doubles = np.einsum("hts,shc->thc", weights, wide[1])
    return out
