"""Every layer remembers the whole context: SmolLM2 has no sliding window.

Keys and values take 2 K C numbers a token and layer. At 3 key heads of width 64 and 30 layers that is 46 KB a token in
float32, 377 MB for a full 8192-token context; a cache grows to it only as far as a conversation does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_pio.runtime.caches import LayerCache

    from ..config import SmolLM2Config


def build_cache(config: SmolLM2Config) -> Callable[..., LayerCache]:
    """Return what makes one layer's cache from ``limit``, ``device`` and ``dtype``."""
    from inference_pio.runtime.caches import FullCache

    assert config.head_dim is not None
    return partial(FullCache, heads=config.num_key_value_heads, width=config.head_dim)


def bytes_per_token(config: SmolLM2Config, *, element_bytes: int = 4) -> int:
    """Bytes that one token takes in the caches of all layers."""
    assert config.head_dim is not None
    return 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * element_bytes
