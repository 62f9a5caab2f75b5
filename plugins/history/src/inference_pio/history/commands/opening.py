"""What the commands have in common: the open history, a conversation's number, and saying that there is nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from inference_pio.cli.terminal import note

from ..preferences import database_path

if TYPE_CHECKING:
    from sqlite_utils import Database

number = click.argument("number", metavar="ID")
"""One conversation: its number, or ``last``."""

numbers = click.argument("numbers", metavar="[ID]...", nargs=-1)
"""Any number of conversations."""


@contextlib.contextmanager
def opened_history() -> Iterator[Database]:
    """Open the history that the user has.

    Raises:
        HistoryError: There is none, or it cannot be used.
    """
    from ..database import open_database

    with open_database(database_path()) as db:
        yield db


def is_there() -> bool:
    """Whether there is a history; if not, says how it begins."""
    if database_path().exists():
        return True
    note('Nothing has been kept yet. It begins with the next run or chat: inference-pio run smollm2 "Hello"')
    return False


def count(number: int) -> str:
    """Return a number of conversations in words."""
    return f"{number} conversation{'' if number == 1 else 's'}"
