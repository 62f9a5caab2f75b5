"""What a list of token ids must be before anything is computed of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.errors import ContextLengthError, EmptyPromptError, InvalidOptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WHAT_IDS_ARE = "a sequence of token ids is a plain sequence of whole numbers"


def check_token_ids(
    token_ids: Sequence[int] | NDArray[np.integer[Any]], *, vocab_size: int, context: int, new_tokens: int = 0
) -> NDArray[np.int64]:
    """Check a text, and return its tokens, (T,) int64.

    Args:
        token_ids: The text, (T,).
        vocab_size: Ids are below this.
        context: Places there are, tokens.
        new_tokens: Places that must be left.

    Raises:
        EmptyPromptError: No tokens.
        ContextLengthError: They and the new ones do not fit the context.
        InvalidOptionError: They are no vector of whole numbers, or one of them is not in the vocabulary.
    """
    if len(token_ids) == 0:
        raise EmptyPromptError("the prompt is empty: there is nothing to continue. Give at least one token of text")
    if len(token_ids) + new_tokens > context:
        raise ContextLengthError(len(token_ids), context)
    try:
        known = np.asarray(token_ids)
    except ValueError as error:  # rows of different lengths
        raise InvalidOptionError(f"{_WHAT_IDS_ARE}: {error}") from error
    if known.ndim != 1 or known.dtype.kind not in "iu":
        raise InvalidOptionError(f"{_WHAT_IDS_ARE}, not {known.dtype} of shape {known.shape}")
    lowest, highest = known.min(), known.max()
    if lowest < 0 or highest >= vocab_size:
        wrong = lowest if lowest < 0 else highest
        raise InvalidOptionError(f"token {wrong} lies outside the vocabulary: ids go from 0 to {vocab_size - 1}")
    return known.astype(np.int64)
