"""Choosing the next token from a row of logits. Numpy only; knows neither torch nor text."""

from .constraint import TokenConstraint
from .sampler import SampledToken, Sampler
from .validation import validate_sampling

__all__ = ["SampledToken", "Sampler", "TokenConstraint", "validate_sampling"]
