"""``GrammarConstraint``: one answer's way through a grammar."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import InvalidOptionError

if TYPE_CHECKING:
    from llguidance import LLMatcher
    from numpy.typing import NDArray

    from .vocabulary import GrammarVocabulary

SLOW_STEP_S = 0.5
"""Processor time of one token that ends a request: others wait for it. Ordinary grammars take some tenth of a
millisecond; llguidance's own limits stop most that do not, but not all."""


class GrammarConstraint:
    """A ``TokenConstraint`` over llguidance's matcher.

    Args:
        matcher: At the beginning of the answer; belongs to this constraint.
        vocabulary: What it was made for.
        may_end: Whether end tokens are allowed where the answer is complete but could go on.
    """

    def __init__(self, matcher: LLMatcher, vocabulary: GrammarVocabulary, *, may_end: bool = True) -> None:
        self._matcher, self._size = matcher, vocabulary.size
        self._never = np.array([] if may_end else vocabulary.end_token_ids, np.int64)

    @property
    def is_done(self) -> bool:
        """Whether nothing can follow but the end."""
        return self._matcher.is_stopped()

    def mask(self, logits: NDArray[np.float32]) -> None:
        """Set the logits of forbidden tokens to minus infinity, in place; (V,) float32.

        Raises:
            InvalidOptionError: What may follow cannot be computed within the limits.
        """
        start = time.thread_time()
        packed = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check(start)
        allowed = np.unpackbits(packed, count=self._size, bitorder="little").view(np.bool_)
        if len(self._never):
            others = allowed.copy()
            others[self._never] = False
            allowed = others if others.any() else allowed
        np.putmask(logits[: self._size], ~allowed, -np.inf)
        logits[self._size :] = -np.inf

    def accept(self, token_id: int) -> None:
        """Go on to what follows a token.

        Raises:
            InvalidOptionError: The token was forbidden, or what may follow cannot be computed within the limits.
        """
        start = time.thread_time()
        self._matcher.consume_token(token_id)
        self._check(start)

    def _check(self, start: float) -> None:
        if self._matcher.is_error():
            reason = self._matcher.get_error().replace("<non-verbose/>", "").strip()
            raise InvalidOptionError(f"constraint: it cannot be followed any further: {reason[:500]}. Make it simpler")
        if time.thread_time() - start > SLOW_STEP_S:
            raise InvalidOptionError(
                f"constraint: it takes more than {SLOW_STEP_S} seconds a token, and other requests wait for it. "
                "Make it simpler"
            )
