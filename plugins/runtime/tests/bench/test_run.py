"""``run_bench``: what it measures, in which order, and what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import ProgressEvent
from inference_pio.runtime.bench import run
from inference_pio.runtime.bench.run import run_bench

from .conftest import FakeModel

PEER_KEYS = ["peer", "threads", "load_s", "decode_tok_s", "prefill_tok_s", "batch_tok_s", "peak_rss_mb"]
READING_KEYS = ["bytes_per_token", "memory_bandwidth_gb_s", "bandwidth_share"]


class FakeHost:
    def __init__(self, model: FakeModel) -> None:
        self.model, self.calls = model, list[str]()

    def pull(self, *arguments: Any, **options: Any) -> None:
        self.calls.append("pull")

    def plugin(self, *arguments: Any, **options: Any) -> FakeModel:
        return self.model

    def load(self, *arguments: Any, **options: Any) -> FakeModel:
        self.calls.append("load")
        return self.model


@pytest.fixture
def host(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    host = FakeHost(model)
    monkeypatch.setattr(run, "default_host", lambda: host)
    monkeypatch.setattr(run, "peak_rss_mb", lambda: 100.0)
    monkeypatch.setattr(run, "reading_figures", lambda model, threads: dict.fromkeys(READING_KEYS, 1.0))
    return host


def test_the_keys_that_peers_have_too_are_all_there(host: FakeHost) -> None:
    result = run_bench("fake", threads=2)
    assert [key for key in PEER_KEYS if key not in result] == []
    assert [key for key in READING_KEYS if key not in result] == []
    assert result["decode_tok_s"] == 100
    assert result["prefill_tok_s"] == pytest.approx(1000)


def test_the_machine_and_the_day_stand_beside_the_figures(host: FakeHost) -> None:
    result = run_bench("fake")
    assert result["machine"].rpartition(", ")[2].split()[1].startswith("core")
    assert len(result["date"]) == len("2026-11-24")


def test_peak_memory_is_read_before_the_memorys_speed_is_measured(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def peak() -> None:
        order.append("peak")

    def reading(model: FakeModel, threads: int) -> dict[str, float]:
        order.append("bandwidth")
        return {}

    monkeypatch.setattr(run, "peak_rss_mb", peak)
    monkeypatch.setattr(run, "reading_figures", reading)
    assert "peak_rss_mb" not in run_bench("fake"), "this system does not say"
    assert order == ["peak", "bandwidth"]


def test_repeating_is_measured_without_and_with_guesses_where_it_is_asked_for(host: FakeHost) -> None:
    assert "repeat_tok_s" not in run_bench("fake")
    result = run_bench("fake", speculate=True)
    assert result["repeat_tok_s"] == result["repeat_speculate_tok_s"] == 100


def test_without_a_plot_no_curves_are_measured(host: FakeHost) -> None:
    result = run_bench("fake", batch=3)
    assert "curves" not in result
    assert set(host.model.batches) == {3}


def test_a_plot_is_drawn_of_the_curves_that_are_returned(host: FakeHost, tmp_path: Path) -> None:
    result = run_bench("fake", plot=tmp_path / "speed.svg")
    assert list(result["curves"]) == ["context", "batch"]
    drawn = (tmp_path / "speed.svg").read_text("utf-8")
    assert "fake on fake cpu" in drawn
    assert result["machine"] in drawn


def test_a_bad_place_for_the_plot_is_told_before_anything_is_loaded(host: FakeHost, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="no folder"):
        run_bench("fake", plot=tmp_path / "missing" / "speed.svg")
    assert host.calls == []


def test_progress_hears_of_every_measurement(host: FakeHost, tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    run_bench("fake", batch=4, progress=events.append, plot=tmp_path / "speed.svg")
    labels = [event.label for event in events]
    assert labels[:5] == [
        "decode",
        "prefill",
        "4 prompts at once",
        "the memory's bandwidth",
        "tokens: 64 (round 1 of 3)",
    ]
    assert {event.stage for event in events} == {"measure"}
    assert [event.done for event in events] == list(range(len(events)))
