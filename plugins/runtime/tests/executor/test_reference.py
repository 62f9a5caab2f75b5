"""The numpy interpreter of decode programs: it keeps the contract of executors."""

import numpy as np
import pytest

from inference_pio.errors import TensorMismatchError
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.program.reference import ReferenceExecutor
from inference_pio.runtime.testing.executor_contract import ExecutorContract, batch_of

from .conftest import VOCAB, build_decoder, build_program, reference_weights

TOLERANCE = 5e-5
"""Float32 sums in numpy's order and in torch's; logits are of order one."""


def build(*, slots=5, context=64):
    executor = ReferenceExecutor(build_program(), reference_weights(build_decoder()))
    executor.allocate(slots, context)
    return executor


class TestReferenceExecutor(ExecutorContract):
    vocab_size = VOCAB

    @pytest.fixture
    def build_executor(self):
        return build


def test_it_computes_what_torch_computes(build_executor):
    tokens = list(range(1, 31))
    expected = build_executor().step(TokenBatch.of_sequence(tokens))
    assert np.abs(build().step(TokenBatch.of_sequence(tokens)) - expected).max() < TOLERANCE


def test_a_mixed_batch_gives_what_torch_gives(build_executor):
    logits = []
    for executor in (build(), build_executor()):
        executor.step(batch_of([(2, 0, [7, 8]), (1, 0, [5])]))
        logits.append(executor.step(batch_of([(2, 2, [9]), (0, 0, [1, 2, 3, 4]), (1, 1, [8])], rows=[0, 4, 5])))
    assert logits[0].shape == (3, VOCAB)
    assert np.abs(logits[0] - logits[1]).max() < TOLERANCE


def test_a_weight_that_is_missing_or_of_a_wrong_shape_is_named():
    weights = reference_weights(build_decoder())
    with pytest.raises(TensorMismatchError, match=r"'norm\.weight' is \(3,\), expected \(16,\)"):
        ReferenceExecutor(build_program(), {**weights, "norm.weight": np.zeros(3, np.float32)})
    del weights["norm.weight"]
    with pytest.raises(TensorMismatchError, match=r"'norm\.weight' is missing"):
        ReferenceExecutor(build_program(), weights)
