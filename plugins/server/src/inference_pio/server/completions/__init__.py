"""``/v1/completions``: continues texts or token ids as they are, without a chat template."""

from .endpoint import Completions

__all__ = ["Completions"]
