"""The numpy interpreter of decode programs: as an executor it keeps the same contract as the torch one."""

import numpy as np
import pytest

from inference_pio.errors import CacheFullError, NotLoadedError, TensorMismatchError
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.executor import Executor
from inference_pio.runtime.program.reference import ReferenceExecutor

from .conftest import VOCAB, build_decoder, build_program, reference_weights

TOLERANCE = 5e-5
"""Float32 sums in numpy's order and in torch's; logits are of order one."""


@pytest.fixture
def interpreter():
    executor = ReferenceExecutor(build_program(), reference_weights(build_decoder()))
    executor.allocate(5, 64)
    return executor


def test_it_is_an_executor(interpreter):
    assert isinstance(interpreter, Executor)
    assert (interpreter.vocab_size, interpreter.max_context) == (VOCAB, 64)


def test_it_computes_what_torch_computes(interpreter, build_executor):
    tokens = list(range(1, 31))
    expected = build_executor().step(TokenBatch.of_sequence(tokens))
    assert np.abs(interpreter.step(TokenBatch.of_sequence(tokens)) - expected).max() < TOLERANCE


def test_a_mixed_batch_equals_each_sequence_alone(interpreter, build_executor):
    torch_executor = build_executor()
    mixed = TokenBatch(
        tokens=np.array([9, 1, 2, 3, 4, 8]),
        slots=np.array([2, 0, 0, 0, 0, 1]),
        positions=np.array([2, 0, 1, 2, 3, 1]),
        logit_rows=np.array([0, 4, 5]),
    )
    logits = []
    for executor in (interpreter, torch_executor):
        executor.step(TokenBatch.of_sequence([7, 8], slot=2))
        executor.step(TokenBatch.of_sequence([5], slot=1))
        logits.append(executor.step(mixed))
    assert logits[0].shape == (3, VOCAB)
    assert np.abs(logits[0] - logits[1]).max() < TOLERANCE


def test_a_freed_slot_starts_afresh_and_a_closed_executor_says_so(interpreter):
    first = interpreter.step(TokenBatch.of_sequence([1, 2, 3]))
    interpreter.free(0)
    assert np.array_equal(interpreter.step(TokenBatch.of_sequence([1, 2, 3])), first)
    with pytest.raises(CacheFullError, match="slot 5 is not among the 5"):
        interpreter.step(TokenBatch.of_sequence([1], slot=5))
    interpreter.close()
    interpreter.close()
    interpreter.free(0)
    with pytest.raises(NotLoadedError, match="load the model again"):
        interpreter.step(TokenBatch.of_sequence([1]))


def test_a_weight_that_is_missing_or_of_a_wrong_shape_is_named():
    weights = reference_weights(build_decoder())
    with pytest.raises(TensorMismatchError, match=r"'norm\.weight' is \(3,\), expected \(16,\)"):
        ReferenceExecutor(build_program(), {**weights, "norm.weight": np.zeros(3, np.float32)})
    del weights["norm.weight"]
    with pytest.raises(TensorMismatchError, match=r"'norm\.weight' is missing"):
        ReferenceExecutor(build_program(), weights)
