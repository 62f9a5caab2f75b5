"""Full-text search over what was said, with FTS5 where this SQLite has it and by plain comparison elsewhere."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

COLUMNS = ("system", "earlier", "prompt", "answer")
INDEX = "turns_fts"
_SQLITE_UTILS_TRIGGERS = ("turns_ai", "turns_ad", "turns_au")


def has_fts5(db: Database) -> bool:
    """Whether this SQLite can search full text."""
    try:
        db.execute("CREATE VIRTUAL TABLE temp.pio_probe USING fts5(x)")
    except sqlite3.OperationalError:
        return False
    db.execute("DROP TABLE temp.pio_probe")
    return True


def prepare_search(db: Database) -> None:
    """Make the index where it can be had and is not there.

    A file may come from a machine whose SQLite lacks FTS5, or go to one. There the triggers would make every write
    fail, so they go; where FTS5 is back, they are made again.
    """
    triggers = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()}
    has_triggers = triggers.issuperset(_SQLITE_UTILS_TRIGGERS)
    if has_fts5(db) == has_triggers:
        return
    from .database import transaction

    with transaction(db):
        if has_triggers:
            for name in _SQLITE_UTILS_TRIGGERS:
                db.execute(f"DROP TRIGGER IF EXISTS {name}")
        else:
            for name in _SQLITE_UTILS_TRIGGERS:
                db.execute(f"DROP TRIGGER IF EXISTS {name}")
            turns = db.table("turns")
            if turns.detect_fts():
                turns.disable_fts()
            turns.enable_fts(COLUMNS, fts_version="FTS5", create_triggers=True, tokenize="unicode61")


def matching_turns(db: Database, text: str) -> list[int]:
    """Return the ids of the turns that hold all words of a text, or else the text as a piece of a longer one.

    The second look finds parts of words, signs, and languages that put no blanks between words.
    """
    found = _by_words(db, text) if has_fts5(db) else []
    return found or _by_comparison(db, text)


def _by_words(db: Database, text: str) -> list[int]:
    # As strings, so that no sign in them is an operator; without a letter or digit there is nothing to look up.
    words = [f'"{word.replace(chr(34), chr(34) * 2)}"' for word in text.split() if re.search(r"\w", word)]
    if not words:
        return []
    rows = db.execute(f"SELECT rowid FROM {INDEX} WHERE {INDEX} MATCH ?", [" AND ".join(words)])
    return [row[0] for row in rows.fetchall()]


def _by_comparison(db: Database, text: str) -> list[int]:
    if not text.strip():
        return []
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", text.strip()) + "%"
    places = " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in COLUMNS)
    return [row[0] for row in db.execute(f"SELECT id FROM turns WHERE {places}", [pattern] * len(COLUMNS)).fetchall()]
