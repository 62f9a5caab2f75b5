"""Text to token ids and back, whole or token by token."""

from .detokenizer import Detokenizer
from .loading import load_tokenizer
from .stop_matcher import StopMatcher
from .tokenizer import Tokenizer

__all__ = ["Detokenizer", "StopMatcher", "Tokenizer", "load_tokenizer"]
