"""Sweeps over context length and batch size: which sizes, how often, and what happens when time is short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inference_pio.runtime.bench.curves import BATCHES, CONTEXTS, ROUNDS, measure_curves, sweep
from inference_pio.runtime.bench.workloads import FEW_TOKENS

if TYPE_CHECKING:
    from .conftest import FakeModel


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def ignore(label: str) -> None:
    pass


def test_contexts_double_up_to_8192_tokens_or_the_models_limit(model: FakeModel) -> None:
    assert model.engine is not None
    for limit, largest in ((32768, 8192), (1000, 1000 - FEW_TOKENS)):
        model.engine.context = limit
        points = measure_curves(model, ignore)["context"]
        assert [point["tokens"] for point in points] == sorted({min(size, largest) for size in CONTEXTS})


def test_every_point_holds_the_speed_of_the_prompt_and_of_what_follows(model: FakeModel) -> None:
    points = measure_curves(model, ignore)["context"]
    assert all(point["prefill_tok_s"] == pytest.approx(1000) for point in points)
    assert all(point["decode_tok_s"] == pytest.approx(100) for point in points)


def test_batches_double_up_to_32_prompts_at_once(model: FakeModel) -> None:
    points = measure_curves(model, ignore)["batch"]
    assert [point["prompts"] for point in points] == list(BATCHES)
    assert model.batches == list(BATCHES) * ROUNDS


def test_a_figure_is_the_best_of_all_rounds() -> None:
    speeds = iter([1.0, 3.0, 2.0])
    points = sweep("tokens", [64], lambda size: {"tok_s": next(speeds)}, ignore, budget_s=1, clock=Clock())
    assert points == [{"tokens": 64, "tok_s": 3.0}]


def test_sizes_that_would_take_too_long_are_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def measure(size: int) -> dict[str, float]:
        clock.wait(size)
        return {"tok_s": 1.0}

    points = sweep("tokens", [1, 2, 4, 8], measure, ignore, budget_s=12, clock=clock)
    assert [point["tokens"] for point in points] == [1, 2, 4]
    assert clock.now <= 12, "what fits is measured again, but not beyond the budget"
    assert "8 tokens left out: more than 12 s" in caplog.text


def test_the_smallest_size_is_measured_however_slow_it_is() -> None:
    clock = Clock()

    def measure(size: int) -> dict[str, float]:
        clock.wait(1000)
        return {"tok_s": 0.1}

    assert len(sweep("tokens", [1, 2], measure, ignore, budget_s=1, clock=clock)) == 1


def test_progress_tells_size_and_round_before_each_run(model: FakeModel) -> None:
    told: list[str] = []
    measure_curves(model, told.append)
    assert told[0] == f"tokens: 64 (round 1 of {ROUNDS})"
    assert told[-1] == f"prompts: 32 (round {ROUNDS} of {ROUNDS})"


def test_both_sweeps_get_time_of_their_own(model: FakeModel) -> None:
    clock = Clock()
    model.on_run = clock.wait
    curves = measure_curves(model, ignore, budget_s=0.5, clock=clock)
    assert len(curves["context"]) == 1
    assert curves["batch"]
