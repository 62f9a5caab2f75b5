"""transformers as the oracle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Offline, without transformers' progress bars and without its warnings, which are about its own future."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformers.utils import logging

            logging.disable_progress_bar()
            yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before


class Reference:
    """A transformers model in float32.

    Args:
        model: Of class ``AutoModelForCausalLM``.
        tokenizer: The tokenizer that transformers makes of the same checkpoint, if there is one.
    """

    def __init__(self, model: Any, tokenizer: Any = None) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer

    @classmethod
    def of_gguf(cls, path: Path) -> Reference:
        """Load a GGUF file, dequantized; takes transformers 15 to 50 seconds."""
        with quiet_transformers():
            from transformers import AutoModelForCausalLM, AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
            model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        return cls(model, tokenizer)

    @torch.inference_mode()
    def logits(self, token_ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits of every position, (T, V) float32."""
        with quiet_transformers():
            result: NDArray[np.float32] = self.model(torch.tensor([list(token_ids)])).logits[0].float().numpy()
        return result

    def greedy_agrees(self, prompt_ids: Sequence[int], new_ids: Sequence[int]) -> bool:
        """Whether greedy decoding of the prompt, end-of-text ignored, gives exactly ``new_ids``.

        One pass over the whole text says it: if the likeliest token after every prefix is the next one, then decoding
        token by token chooses the same, by induction.
        """
        whole = [*prompt_ids, *new_ids]
        likeliest = self.logits(whole[:-1])[len(prompt_ids) - 1 :].argmax(-1)
        return bool(np.array_equal(likeliest, np.asarray(new_ids)))


def assert_logits_close(ours: NDArray[np.float32], theirs: NDArray[np.float32], tolerance: float) -> None:
    """Fail unless all logits agree within ``tolerance``, and the likeliest tokens where the margin exceeds it."""
    assert ours.shape == theirs.shape, f"shapes {ours.shape} and {theirs.shape}"
    worst = float(np.abs(ours - theirs).max())
    assert worst <= tolerance, f"logits differ by {worst:.2e}, allowed {tolerance:.0e}"
    top = np.partition(theirs, -2, axis=-1)[:, -2:]
    clear = top[:, 1] - top[:, 0] > tolerance
    assert clear.any(), "no position has a clear winner: the check would check nothing"
    assert np.array_equal(ours[clear].argmax(-1), theirs[clear].argmax(-1)), "the likeliest tokens differ"
