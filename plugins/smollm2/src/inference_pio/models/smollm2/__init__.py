"""SmolLM2: the Llama architecture at 135 million to 1.7 billion parameters."""

from .config import SmolLM2Config

__all__ = ["SmolLM2Config"]
