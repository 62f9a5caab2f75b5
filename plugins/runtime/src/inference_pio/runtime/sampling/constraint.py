"""``TokenConstraint``: which tokens may come next, for answers that must have a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TokenConstraint(Protocol):
    """Follows one sequence and rules out tokens that would break its form.

    It belongs to one request and is used by one thread at a time, in this order: ``mask``, ``accept`` with the token
    that was chosen from what the mask left, ``is_done``. A mask may be asked for again before a token is accepted.
    """

    @property
    def is_done(self) -> bool:
        """Whether nothing can follow but the end. The answer is complete: the engine ends the request with ``stop``."""

    def mask(self, logits: NDArray[np.float32]) -> None:
        """Set the logits of forbidden tokens to minus infinity, in place.

        Args:
            logits: (V,) float32; V may be larger than the vocabulary, and tokens beyond it are forbidden, too.

        Raises:
            InvalidOptionError: What may follow cannot be computed within the limits.
        """

    def accept(self, token_id: int) -> None:
        """Go on to what follows a token.

        Raises:
            InferencePioError: The token was forbidden.
        """
