"""The tables, and how a database of an older version becomes one of this version."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_FIRST = (
    # AUTOINCREMENT: a number that was shown to somebody is never given to another conversation.
    """
    CREATE TABLE conversations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started TEXT NOT NULL,
        updated TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE turns (
        id INTEGER PRIMARY KEY,
        conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        key TEXT,
        model TEXT NOT NULL,
        checkpoint TEXT,
        kind TEXT NOT NULL,
        system TEXT,
        earlier TEXT,
        prompt TEXT NOT NULL,
        prompt_ids TEXT,
        answer TEXT NOT NULL,
        finish_reason TEXT NOT NULL,
        error TEXT,
        options TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        new_tokens INTEGER NOT NULL,
        first_token_s REAL NOT NULL,
        generation_s REAL NOT NULL,
        started TEXT NOT NULL,
        duration_s REAL NOT NULL,
        host_version TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX turns_in_order ON turns(conversation_id, number)",
    "CREATE INDEX turns_by_key ON turns(key)",
    "CREATE INDEX conversations_by_age ON conversations(updated)",
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


MIGRATIONS: tuple[Callable[[Database], None], ...] = (_first,)
"""Step n takes a database from version n to n + 1; ``user_version`` in the file says where it is."""


def version_of(db: Database) -> int:
    """Return the version of a database; 0 for an empty one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: Database) -> None:
    """Bring a database to this version; inside a transaction of the caller's."""
    for number in range(version_of(db), len(MIGRATIONS)):
        MIGRATIONS[number](db)
        db.execute(f"PRAGMA user_version = {number + 1}")
