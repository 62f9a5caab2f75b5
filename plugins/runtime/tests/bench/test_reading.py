"""The share of the memory's bandwidth that decoding uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inference_pio.runtime.bench import reading
from inference_pio.runtime.bench.reading import ROUNDS, reading_figures
from inference_pio.runtime.bench.workloads import NEW_TOKENS, QUESTION

from .conftest import CountingExecutor, FakeModel, SilentExecutor


class FakeMeter:
    """Gives the bandwidths of a list, in turn."""

    bandwidths: Iterator[float]

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def measure(self) -> float:
        return next(self.bandwidths)


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> type[FakeMeter]:
    monkeypatch.setattr(reading, "BandwidthMeter", FakeMeter)
    FakeMeter.bandwidths = iter([200_000.0] * (ROUNDS + 1))
    return FakeMeter


def test_the_bytes_are_those_at_the_mean_context_of_the_decode_workload(
    model: FakeModel, meter: type[FakeMeter]
) -> None:
    figures = reading_figures(model, threads=2)
    context = len(model.tokenize(QUESTION)) + NEW_TOKENS // 2
    assert figures["bytes_per_token"] == 1000 + 10 * context


def test_the_share_is_bytes_times_tokens_a_second_over_the_bandwidth(model: FakeModel, meter: type[FakeMeter]) -> None:
    figures = reading_figures(model, threads=2)
    assert figures["bandwidth_share"] == pytest.approx(figures["bytes_per_token"] * 100 / 200_000)
    assert figures["memory_bandwidth_gb_s"] == pytest.approx(200_000 / 1e9)


def test_every_run_is_compared_with_the_readings_around_it(model: FakeModel, meter: type[FakeMeter]) -> None:
    # Model and memory become twice as fast together, as on a machine whose other guests leave: the share stays.
    slow, fast = 100_000.0, 200_000.0
    meter.bandwidths = iter([slow, slow, (slow + fast) / 2, fast, fast, fast])
    rates = iter([100.0, 125.0, 175.0, 200.0, 200.0])

    def tell_next_speed(seconds: float) -> None:
        model.decode_s = 1 / next(rates, 200.0)

    model.decode_s = 1 / next(rates)
    model.on_run = tell_next_speed
    figures = reading_figures(model, threads=2)
    assert figures["bandwidth_share"] == pytest.approx(figures["bytes_per_token"] * 100 / slow)


@pytest.mark.parametrize("executor", [SilentExecutor(), CountingExecutor(weights=None)])
def test_nothing_is_said_of_an_executor_that_reads_other_memory_or_does_not_tell(
    executor: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(reading, "BandwidthMeter")
    assert reading_figures(FakeModel(executor), threads=2) == {}
