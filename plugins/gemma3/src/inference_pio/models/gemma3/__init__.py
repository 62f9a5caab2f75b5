"""Gemma 3, text only: sandwich norms, query-key norm, five sliding-window layers to one with full attention."""

from .config import Gemma3Config

__all__ = ["Gemma3Config"]
