"""What the scheduler promises, on random arrivals, lengths and departures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.runtime.scheduler import Scheduler
from inference_pio.runtime.sequence import Sequence


def parts_of(batch):
    """(slot, count) of a batch, checking that it is well formed."""
    starts = np.flatnonzero(np.diff(batch.slots, prepend=-1))
    slots = batch.slots[starts].tolist()
    assert len(set(slots)) == len(slots), "the tokens of a slot stand together"
    return list(zip(slots, np.diff(starts, append=len(batch.slots)).tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), slots=st.integers(1, 5), step_tokens=st.integers(1, 12))
def test_every_token_is_computed_once_in_order_and_nobody_starves(data, slots, step_tokens):
    scheduler = Scheduler(slots=slots, step_tokens=step_tokens)
    arrivals = [Sequence(list(range(data.draw(st.integers(1, 30))))) for _ in range(data.draw(st.integers(1, 8)))]
    to_generate = {sequence: data.draw(st.integers(1, 6)) for sequence in arrivals}
    queued, computed = list(arrivals), dict.fromkeys(arrivals, 0)
    while queued or scheduler.has_work:
        while queued and (not scheduler.has_work or data.draw(st.booleans())):
            scheduler.add(queued.pop(0))
        batch, due = scheduler.next_batch()
        running = {sequence.slot: sequence for sequence in scheduler.running}
        assert len(running) == len(scheduler.running) <= slots, "no slot is shared"
        assert len(batch.tokens) <= max(step_tokens, slots), "the budget is respected"
        for slot, count in parts_of(batch):
            sequence, rows = running[slot], batch.slots == slot
            start = computed[sequence]
            assert batch.positions[rows].tolist() == list(range(start, start + count))
            assert batch.tokens[rows].tolist() == sequence.tokens[start : start + count]
            computed[sequence] += count
            assert sequence.computed == computed[sequence]
        in_order = [s.arrival for s in (*scheduler.running, *scheduler.waiting)]
        assert in_order == sorted(in_order), "first come, first served: nobody who waits is overtaken"
        batched = {slot for slot, _ in parts_of(batch)}
        assert all(slot in batched for slot, s in running.items() if s.generated), "decoding sequences never wait"
        assert due == [
            running[slot] for slot, _ in parts_of(batch) if computed[running[slot]] == len(running[slot].tokens)
        ]
        assert [int(row) for row in batch.logit_rows] == sorted(batch.logit_rows.tolist())
        assert batch.slots[batch.logit_rows].tolist() == [sequence.slot for sequence in due]
        for sequence in due:
            sequence.tokens.append(0)
            if sequence.generated == to_generate[sequence]:
                scheduler.remove(sequence)
                assert sequence.slot == -1
    assert all(computed[s] == len(s.tokens) - 1 for s in arrivals), "all but the last token, which nobody needs"


def test_decoding_sequences_come_before_prompts_and_prompts_in_order_of_arrival():
    scheduler = Scheduler(slots=4, step_tokens=10)
    first = Sequence([1])
    scheduler.add(first)
    scheduler.next_batch()
    first.tokens.append(2)
    second, third = Sequence(list(range(8))), Sequence(list(range(8)))
    scheduler.add(second)
    scheduler.add(third)
    batch, due = scheduler.next_batch()
    # Nine are left: five for the older one, then four for the one that has least left.
    assert dict(parts_of(batch)) == {first.slot: 1, second.slot: 8, third.slot: 1}
    assert due == [first, second]


def test_first_come_first_served_for_slots():
    scheduler = Scheduler(slots=1, step_tokens=4)
    sequences = [Sequence([n]) for n in range(3)]
    for sequence in sequences:
        scheduler.add(sequence)
    for sequence in sequences:
        _, due = scheduler.next_batch()
        assert due == [sequence]
        scheduler.remove(sequence)
    assert not scheduler.has_work


def test_a_budget_below_the_slots_is_raised_to_them():
    # Otherwise decoding sequences could wait for each other for ever.
    assert Scheduler(slots=5, step_tokens=2).step_tokens == 5


def test_a_waiting_sequence_can_leave_and_leaving_twice_does_nothing():
    scheduler = Scheduler(slots=1)
    running, waiting = Sequence([1]), Sequence([2])
    scheduler.add(running)
    scheduler.next_batch()
    scheduler.add(waiting)
    for _ in range(2):
        scheduler.remove(waiting)
        scheduler.remove(running)
    last = Sequence([3])
    scheduler.add(last)
    assert scheduler.next_batch()[1] == [last]
    assert scheduler.borrow_slot() is None, "a slot given back twice would be two slots"


@pytest.mark.parametrize("prompt", [[5], [5, 6, 7]])
def test_a_sequence_counts_what_it_has_generated(prompt):
    sequence = Sequence(list(prompt))
    sequence.tokens += [1, 2]
    assert (sequence.prompt_length, sequence.generated) == (len(prompt), 2)
