"""Opens the file: private, at this version's schema, in WAL mode where that is safe; says in words why it cannot."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import HistoryError
from .network_disk import is_on_network_disk
from .schema import MIGRATIONS, migrate, version_of
from .search_index import prepare_search

if TYPE_CHECKING:
    from sqlite_utils import Database

BUSY_S = 5.0
"""Seconds to wait while another process writes."""


@contextlib.contextmanager
def open_database(path: Path, *, create: bool = False) -> Iterator[Database]:
    """Open the history, and close it in the end.

    Args:
        path: The file.
        create: Make it if it is not there.

    Raises:
        HistoryError: It is not there, cannot be opened, read or written, or belongs to a newer version. Errors of
            SQLite inside the block become one too.
    """
    with explained(path):
        db = _connect(path, create=create)
        try:
            _prepare(db, path)
            yield db
        finally:
            db.close()


@contextlib.contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Do several things or none, with the right to write from the start: two processes take turns.

    sqlite-utils' own transactions inside become savepoints of this one.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.rollback()
        raise
    db.commit()


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite or the file system says into a message with a remedy."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise HistoryError(f"the history {path}: {error}. {_remedy(str(error), path)}") from error
    except sqlite3.DatabaseError as error:
        raise HistoryError(
            f"the history {path} is damaged or no database ({error}). Move it away, and a new one is begun: "
            f"mv {path} {path}.damaged"
        ) from error
    except OSError as error:
        raise HistoryError(f"the history {path}: {error.strerror or error}. {_ELSEWHERE}") from error


_ELSEWHERE = "Choose another place: INFERENCE_PIO_HISTORY_DB=FILE"


def _remedy(message: str, path: Path) -> str:
    if "locked" in message or "busy" in message:
        return f"Another program has kept it locked for {BUSY_S:.0f} s; close it"
    if "readonly" in message or "unable to open" in message:
        return f"Check who may write to it (ls -l {path}), or choose another place: INFERENCE_PIO_HISTORY_DB=FILE"
    if "full" in message:
        return "Make room on the disk, or shorten the history: inference-pio logs prune --days 30"
    return "See: inference-pio logs status"


def _connect(path: Path, *, create: bool) -> Database:
    # Late: this import costs about 50 ms, and most commands have no history to write or to show.
    from sqlite_utils import Database

    if create:
        _create_private(path)
    elif not path.exists():
        raise HistoryError(f"there is no history at {path} yet; it begins with the next run or chat")
    # No transactions behind our back (isolation_level); no code of sqlite-utils' own plugins.
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    return Database(connection, execute_plugins=False)


def _create_private(path: Path) -> None:
    """Make the file before SQLite does, readable for its owner only; its companions (-wal, -shm) get the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _prepare(db: Database, path: Path) -> None:
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    version = version_of(db)
    if version > len(MIGRATIONS):
        raise HistoryError(
            f"the history {path} is of version {version}, and this inference-pio-history knows versions up to "
            f"{len(MIGRATIONS)}. Update it: pip install -U inference-pio-history"
        )
    if version < len(MIGRATIONS):
        if version == 0 and db.table_names():
            raise HistoryError(f"{path} is another program's database. {_ELSEWHERE}")
        # Its shared memory is that of one machine: on a disk of the network two of them would ruin the file.
        if not is_on_network_disk(path):
            db.enable_wal()
        with transaction(db):  # another process may have done it meanwhile: migrate looks again
            migrate(db)
    if db.journal_mode == "wal":
        db.execute("PRAGMA synchronous = NORMAL")  # there a power cut costs the last turns, never the file
    prepare_search(db)
