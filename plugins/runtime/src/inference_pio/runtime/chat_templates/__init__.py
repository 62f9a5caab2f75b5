"""Chat messages to prompt text, by templates that come with checkpoints and are not trusted."""

from .chat_template import ChatTemplate

__all__ = ["ChatTemplate"]
