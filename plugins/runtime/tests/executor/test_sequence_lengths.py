"""Where sequences may go on: at their end, or back by as much as their executor has said."""

import numpy as np
import pytest

from inference_pio.runtime.sequence_lengths import SequenceLengths
from inference_pio.runtime.testing.executor_contract import batch_of


def lengths():
    return SequenceLengths(3, 64, 4)


def test_a_sequence_goes_on_at_its_end_or_goes_back():
    sequences = lengths()
    for start, count, held in [(0, 10, 10), (10, 2, 12), (8, 1, 9), (9, 5, 14), (14, 1, 15)]:
        sequences.advance(batch_of([(1, start, [0] * count)]))
        assert sequences.lengths.tolist() == [0, held, 0]


@pytest.mark.parametrize("start", [0, 5])
def test_going_back_too_far_is_refused_and_counts_nothing(start):
    sequences = lengths()
    sequences.advance(batch_of([(1, 0, [0] * 10), (2, 0, [0])]))
    with pytest.raises(ValueError, match=f"cannot go back by {10 - start} tokens, only by 4"):
        sequences.advance(batch_of([(1, start, [0]), (2, 1, [0])]))
    assert sequences.lengths.tolist() == [0, 10, 1]


def test_going_back_counts_from_the_longest_that_a_sequence_has_been():
    sequences = lengths()
    for start, count in [(0, 10), (7, 1)]:
        sequences.advance(batch_of([(0, start, [0] * count)]))
    with pytest.raises(ValueError, match="cannot go back by 5 tokens"):
        sequences.advance(batch_of([(0, 5, [0])]))
    sequences.advance(batch_of([(0, 6, [0])]))
    assert sequences.forget(0) == 10
    sequences.advance(batch_of([(0, 0, [0])]))


def test_what_was_taken_back_is_a_gap():
    sequences = lengths()
    for start, count in [(0, 10), (7, 1)]:
        sequences.advance(batch_of([(0, start, [0] * count)]))
    with pytest.raises(ValueError, match="without a gap"):
        sequences.advance(batch_of([(0, 9, [0])]))
    assert sequences.lengths.tolist() == [8, 0, 0]


def test_a_negative_position_is_no_way_back():
    with pytest.raises(ValueError, match="without a gap"):
        lengths().advance(batch_of([(0, -1, [0])]))


def test_a_block_is_put_at_the_end_and_counts_its_tokens():
    sequences, block = lengths(), np.zeros(30, np.uint8)
    assert sequences.append_block(1, 0, block, 3) == 10
    assert sequences.append_block(1, 10, block[:3], 3) == 11
    sequences.advance(batch_of([(1, 7, [0])]))
    assert (sequences.lengths.tolist(), sequences.longest.tolist()) == ([0, 8, 0], [0, 11, 0])
    assert sequences.append_block(1, 8, block[:3], 3) == 9
    assert sequences.forget(1) == 11


def test_a_block_is_not_put_where_going_back_is_not_allowed():
    sequences = lengths()
    sequences.advance(batch_of([(0, 0, [0] * 10)]))
    sequences.lengths[0] = 5  # as after a step of five tokens that was interrupted
    with pytest.raises(ValueError, match="cannot go back by 5 tokens, only by 4"):
        sequences.append_block(0, 5, np.zeros(1, np.uint8), 1)
    sequences.lengths[0] = 6
    assert sequences.append_block(0, 6, np.zeros(1, np.uint8), 1) == 7
