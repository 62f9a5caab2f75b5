"""What a person sees of a batch: a bar while it runs, where somebody is looking, and its totals at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from inference_pio.cli.terminal import can_draw, note
from inference_pio.cli.units import counted

from .running import Totals

if TYPE_CHECKING:
    from rich.progress import Progress

REDRAW_S = 0.1
"""A bar is told what has changed once in so many seconds, for there may be thousands of results in one."""


class BatchDisplay:
    """A callback for ``BatchRun``, and a context manager; the bar vanishes at the end.

    Args:
        lines: How many there are; ``None`` where that is not known.
    """

    def __init__(self, lines: int | None) -> None:
        self._lines = lines
        self._bars: Progress | None = None
        self._drawn_s = 0.0

    def __enter__(self) -> BatchDisplay:
        if can_draw(sys.stderr):
            from inference_pio.cli.bars import build_bars

            self._bars = build_bars()
            self._task = self._bars.add_task("answering", total=self._lines)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, totals: Totals) -> None:
        """Show how far it is."""
        if self._bars is None or time.monotonic() - self._drawn_s < REDRAW_S:
            return
        self._drawn_s = time.monotonic()
        of = f" of {self._lines}" if self._lines is not None else ""
        failed = f", {totals.failed} failed" if totals.failed else ""
        self._bars.update(self._task, completed=totals.done, description=f"answered {totals.done}{of} lines{failed}")


def tell_totals(totals: Totals) -> None:
    """Write what came of a batch to standard error."""
    resumed = f" ({totals.resumed} by an earlier run)" if totals.resumed else ""
    note(
        f"{counted(totals.done, 'line')} done{resumed}, {totals.failed} failed | "
        f"prompts {counted(totals.prompt_tokens, 'token')}, answers {counted(totals.new_tokens, 'token')} | "
        f"{totals.seconds:.1f} s, {totals.tokens_per_s:.1f} tokens/s"
    )
