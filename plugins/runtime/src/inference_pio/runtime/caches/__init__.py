"""KV caches of single layers, in torch."""

from .layer_cache import FullCache, LayerCache, RollingCache

__all__ = ["FullCache", "LayerCache", "RollingCache"]
