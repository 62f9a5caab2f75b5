"""Log-probabilities of the model's own distribution: before bias, penalties, temperature and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference_pio.generation import TokenLogprob

from .selection import descending, largest

if TYPE_CHECKING:
    from numpy.typing import NDArray


def report_logprob(logits: NDArray[np.float32], token_id: int, top: int) -> TokenLogprob:
    """Return the log-probability of ``token_id`` and of the ``top`` likeliest tokens.

    Args:
        logits: The model's logits, (V,) float32; read only.
        token_id: The chosen token.
        top: How many of the likeliest to list; 0 for none.
    """
    peak = logits.max()
    total = float(np.exp(logits - peak).sum(dtype=np.float64))
    offset = float(peak) + float(np.log(total))
    ids = largest(logits, top) if top else np.zeros(0, np.int64)
    ids = ids[descending(logits[ids])]
    pairs = tuple((int(i), float(logits[i]) - offset) for i in ids)
    return TokenLogprob(token_id=token_id, logprob=float(logits[token_id]) - offset, top=pairs)
