"""What holds at every step of an engine, whatever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.runtime.batch import TokenBatch
    from inference_pio.runtime.engine import Engine
    from inference_pio.runtime.prefix_cache import PrefixCache


class ViolationError(BaseException):
    """Something that must hold does not; an engine would take an ``Exception`` as the executor's failure."""


def watch(engine: Engine) -> None:
    """Check an engine before each of its executor's steps from now on."""
    executor: Any = engine.executor
    step = executor.step

    def checked_step(batch: TokenBatch) -> NDArray[np.float32]:
        try:
            check(engine, batch)
            logits: NDArray[np.float32] = step(batch)
        except AssertionError as error:
            raise ViolationError from error
        return logits

    executor.step = checked_step


def check(engine: Engine, batch: TokenBatch) -> None:
    """Assert what must hold when a batch has been chosen and is not computed yet."""
    scheduler, executor, budget = engine.scheduler, engine.executor, engine._budget
    running, waiting = scheduler.running, list(scheduler.waiting)
    slots = [sequence.slot for sequence in running]
    assert len(set(slots)) == len(slots)
    assert set(slots) <= set(range(scheduler._slots)), "whoever runs has a slot of its own"
    assert sorted([*scheduler._free, *slots]) == list(range(scheduler._slots)), "and no slot is lost"
    assert all(sequence.slot == -1 and sequence.computed == 0 for sequence in waiting)
    assert scheduler.waiting.tokens == sum(len(sequence.tokens) for sequence in waiting)
    arrivals = [sequence.arrival for sequence in (*running, *waiting)]
    assert arrivals == sorted(arrivals), "nobody who waits is overtaken"
    assert {*running, *waiting} == set(engine._requests)

    assert 0 < len(batch.tokens) <= scheduler.step_tokens
    in_batch = set(batch.slots.tolist())
    for sequence in running:
        assert sequence.computed <= len(sequence.tokens) <= sequence.end
        assert sequence.slot in in_batch or not sequence.is_decoding, "no answer under way waits for a step"
        assert sequence.computed + len(sequence.guesses) <= sequence.reserved <= sequence.end
    if budget.limit is not None:
        reserved = {sequence.slot: sequence.reserved for sequence in running}
        lengths = [reserved.get(slot, 0) for slot in range(scheduler._slots)]
        assert budget.used == executor.cache_bytes(lengths) <= budget.limit, "memory is set aside before it is used"
    if engine._prefixes is not None:
        check_prefixes(engine._prefixes)


def check_prefixes(prefixes: PrefixCache) -> None:
    """Assert that a prefix cache is within its bound, and that every block can be found from the root."""
    store = prefixes.store
    assert store.used == sum(block.data.nbytes for block in store._blocks.values() if block.data is not None)
    assert store.used <= store.limit
    places = {block.number: place for place, block in enumerate(store._blocks.values())}
    for place, (key, block) in enumerate(store._blocks.items()):
        parent, tokens = key
        assert block.key == key
        assert block.data is not None
        assert len(tokens) == prefixes._length
        assert isinstance(parent, str) or places[parent] > place, "parents outlive their children"
