"""The progress bars themselves; the only module of the command line that imports rich."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text


class _Bytes(DownloadColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields.get("counted") else Text("")


class _Speed(TransferSpeedColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields.get("counted") else Text("")


class _Remaining(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.total else Text("")


def build_bars() -> Progress:
    """Return bars on standard error that vanish when they stop; byte columns show for tasks with a true ``counted``."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        _Bytes(),
        _Speed(),
        _Remaining(compact=True),
        console=Console(stderr=True),
        transient=True,
        # Whoever turns standard output away while bars start would find it swapped for good when they stop.
        redirect_stdout=False,
    )
