"""Sliding layers remember only their window; one layer in six remembers the whole context.

With one key head of width 256 a token takes 2 KB a layer in float32. For the full 32768-token context of the 270M model
that is 1.2 GB if every layer kept everything, and 218 MB with 15 of 18 layers keeping 512 tokens
and the few by which a sequence may go back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from inference_pio.runtime.sequence_lengths import ring_places

if TYPE_CHECKING:
    from inference_pio.runtime.caches import LayerCache

    from ..config import Gemma3Config


def build_cache(config: Gemma3Config, layer: int) -> Callable[..., LayerCache]:
    """Return what makes the cache of layer number ``layer`` from ``limit``, ``device`` and ``dtype``."""
    from inference_pio.runtime.caches import FullCache, RollingCache

    heads, width = config.num_key_value_heads, config.head_dim
    if config.is_sliding(layer):
        return partial(RollingCache, window=config.sliding_window, heads=heads, width=width)
    return partial(FullCache, heads=heads, width=width)


def bytes_of_context(config: Gemma3Config, tokens: int, *, element_bytes: int = 4) -> int:
    """Bytes that the caches of all layers take for one sequence of ``tokens`` tokens."""
    per_place = 2 * config.num_key_value_heads * config.head_dim * element_bytes
    places = [
        min(tokens, ring_places(config.sliding_window)) if config.is_sliding(layer) else tokens
        for layer in range(config.num_hidden_layers)
    ]
    return per_place * sum(places)
