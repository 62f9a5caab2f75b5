"""Shows long work on standard error: bars on a terminal, a line at the start and the end of a download elsewhere.

A measurement gets a plain line everywhere: a bar moves while others compute, and would be measured with them.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from .terminal import can_draw, note
from .units import readable_bytes

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..generation import ProgressEvent

PATIENCE_S = 1.0
"""Loading that is over sooner shows nothing, seconds."""

_TITLES = {"download": "downloading", "verify": "verifying", "load": "loading"}


class ProgressDisplay:
    """A ``ProgressCallback`` and context manager; nothing of it is left on the screen but a line for each download.

    Args:
        name: What is being loaded, for people.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._draws = can_draw(sys.stderr)
        self._lock = threading.RLock()  # loaders report from worker threads, and the timer is one too
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._last: ProgressEvent | None = None
        self._started = time.monotonic()
        self._patience: threading.Timer | None = None
        self._is_waiting = False

    def __enter__(self) -> ProgressDisplay:
        if self._draws:
            # Loading begins with imports that report nothing; a person should not stare at an empty line meanwhile.
            self._patience = threading.Timer(PATIENCE_S, self._show_waiting)
            self._patience.daemon = True
            self._patience.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if error is None:
                self._end()
            self._draws = False
            if self._patience:
                self._patience.cancel()
            if self._bars:
                self._bars.stop()

    def __call__(self, event: ProgressEvent) -> None:
        """Show one step. Safe to call from any thread."""
        with self._lock:
            if event.stage == "measure":
                self._tell_measuring(event)
                return
            if self._last is None or (event.stage, event.label) != (self._last.stage, self._last.label):
                self._end()
                self._begin(event)
            self._last = event
            if self._draws and (event.stage != "load" or self._is_waiting or self._is_late()):
                self._draw(event)

    def _tell_measuring(self, event: ProgressEvent) -> None:
        self._end()
        self._last = event
        if self._bars:
            self._bars.stop()
            self._bars = None
        note(f"measuring {event.label}")

    def _begin(self, event: ProgressEvent) -> None:
        self._started = time.monotonic()
        if event.stage == "download" and not self._draws:
            note(f"downloading {event.label or self._name}{_size(event.total)}")

    def _end(self) -> None:
        """Close the stage that was going on. Its end is when another begins: totals may be guesses."""
        if self._bars and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        if self._last and self._last.stage == "download":
            size = readable_bytes(self._last.total or self._last.done)
            note(f"downloaded {self._last.label or self._name} ({size} in {time.monotonic() - self._started:.0f} s)")
        self._last = None

    def _is_late(self) -> bool:
        return time.monotonic() - self._started > PATIENCE_S

    def _show_waiting(self) -> None:
        with self._lock:
            if self._draws and self._last is None:
                self._is_waiting = True
                self._task = self._progress().add_task(f"loading {self._name}", total=None)

    def _draw(self, event: ProgressEvent) -> None:
        bars = self._progress()
        title = f"{_TITLES[event.stage]} {event.label or self._name}"
        counted = event.unit == "bytes"
        if self._task is None:
            self._task = bars.add_task(title, completed=event.done, total=event.total, counted=counted)
        else:
            bars.update(self._task, description=title, completed=event.done, total=event.total, counted=counted)

    def _progress(self) -> Progress:
        if self._bars is None:
            from .bars import build_bars

            self._bars = build_bars()
            self._bars.start()
        return self._bars


def _size(total: int | None) -> str:
    return f" ({readable_bytes(total)})" if total else ""
