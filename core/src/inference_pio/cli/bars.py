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
from rich.table import Column
from rich.text import Text

WIDEST_BAR = 30


class _Bytes(DownloadColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields.get("counted") else Text("")


class _Speed(TransferSpeedColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.fields.get("counted") else Text("")


class _Remaining(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        return super().render(task) if task.total else Text("")


def build_bars(console: Console | None = None) -> Progress:
    """Return bars that vanish when they stop; byte columns show for tasks with a true ``counted``.

    Args:
        console: Where to; standard error unless it is given.
    """
    # Narrow terminals take from the bar first, then from the end of the description; never a second line.
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=None, table_column=Column(max_width=WIDEST_BAR)),
        _Bytes(table_column=Column(no_wrap=True)),
        _Speed(table_column=Column(no_wrap=True)),
        _Remaining(compact=True, table_column=Column(no_wrap=True)),
        console=console or Console(stderr=True),
        transient=True,
        # Whoever turns standard output away while bars start would find it swapped for good when they stop.
        redirect_stdout=False,
    )
