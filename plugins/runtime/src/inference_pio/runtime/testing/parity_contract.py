"""Level parity: the same numbers as the reference, on random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ..causal_lm import CausalLMPlugin
from .reference import Reference, assert_logits_close
from .tiny_model import TinyModel

LOGITS_TOLERANCE = 1e-4
"""Float32 sums of a few hundred products in another order; random logits are of order ten."""

parity = pytest.mark.conformance("parity")


class ParityContract(TinyModel):
    """Tests of level ``parity`` on random weights."""

    @parity
    def test_all_logits_equal_the_reference(self, model: CausalLMPlugin, oracle: Reference, text: list[int]) -> None:
        assert_logits_close(model.infer(text), oracle.logits(text), LOGITS_TOLERANCE)

    @parity
    def test_greedy_tokens_equal_the_reference(self, model: CausalLMPlugin, oracle: Reference, text: list[int]) -> None:
        prompt = text[:10]
        ours = model.generate(prompt, temperature=0, max_new_tokens=40, ignore_eos=True).token_ids
        assert len(ours) == 40
        assert oracle.greedy_agrees(prompt, ours)

    @parity
    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_reduced_precision_computes_the_same_function(
        self, folder: Path, oracle: Reference, text: list[int], dtype: str
    ) -> None:
        with self.load(folder, dtype=dtype) as model:
            ours = model.infer(text)
            assert ours.dtype == np.float32
            assert model.engine is not None
            assert dtype in model.engine.executor.name
        # Random weights amplify rounding; what must hold is that the same function is computed.
        correlation = np.corrcoef(ours.ravel(), oracle.logits(text).ravel())[0, 1]
        assert correlation > 0.95, f"correlation of logits {correlation:.3f}"
