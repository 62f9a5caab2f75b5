from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from inference_pio.cli.bars import build_bars
from inference_pio.stdout_guard import stdout_to_stderr

from .conftest import FakeSite

if TYPE_CHECKING:
    import pytest


def test_text_through_a_stream_kept_from_before_goes_to_standard_error(site: FakeSite) -> None:
    done = site.run(
        """
        import sys
        from inference_pio.stdout_guard import stdout_to_stderr
        print("before")
        with stdout_to_stderr():
            sys.__stdout__.write("noise")
        print("after")
        """,
        PYTHONUNBUFFERED="",
    )
    assert done.stdout == "before\nafter\n"
    assert done.stderr == "noise"


def test_bars_that_start_under_the_guard_leave_standard_output_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal, where bars are drawn
    before = sys.stdout
    bars = build_bars()
    with stdout_to_stderr():
        bars.start()
    bars.stop()
    assert sys.stdout is before


def test_what_compiled_code_prints_stays_out_of_a_command_s_results(site: FakeSite) -> None:
    # The C library keeps it in a buffer of its own, and would write it out at the end of the process.
    done = site.run(
        """
        import ctypes
        from inference_pio.cli.results import results_only
        with results_only() as out:
            out.write("result")
            ctypes.CDLL(None).printf(b"noise")
            print("python")
        """,
        PYTHONUNBUFFERED="",
    )
    assert done.stdout == "result"
    assert "noise" in done.stderr
    assert "python" in done.stderr
