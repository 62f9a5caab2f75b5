"""Two processes that switch plugins at the same time: neither undoes what the other did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference_pio.cli.switching import switch
from inference_pio.host_state import HostState, Remembered


@pytest.mark.parametrize(("on", "left"), [(False, ["other", "qwen3"]), (True, ["other"])])
def test_what_another_process_switches_off_meanwhile_stays_off(
    on: bool, left: list[str], add: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    add()
    if on:
        switch(["qwen3"], on=False)
    changing = HostState.changing

    @contextlib.contextmanager
    def after_somebody_else(state: HostState) -> Iterator[Remembered]:
        with changing(state) as remembered:
            remembered.disabled = sorted({*remembered.disabled, "other"})
        with changing(state) as remembered:
            yield remembered

    monkeypatch.setattr(HostState, "changing", after_somebody_else)
    switch(["qwen3"], on=on)
    assert HostState().read().disabled == left
