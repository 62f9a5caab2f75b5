"""What goes: what the user deletes, what is too old, what is too much."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from .database import transaction
from .preferences import Preferences, load_preferences
from .records import moment, stamp
from .search_index import INDEX, has_fts5

if TYPE_CHECKING:
    from sqlite_utils import Database

logger = logging.getLogger(__name__)

PRUNE_EVERY = timedelta(days=1)
_PRUNED = "pruned"


def prune_when_due(db: Database) -> None:
    """Remove what is too old or too much, unless somebody did it during the last day."""
    preferences = load_preferences()
    if preferences.days is None and preferences.max_mb is None:
        return
    row = db.execute("SELECT value FROM notes WHERE name = ?", [_PRUNED]).fetchone()
    now = datetime.now(timezone.utc)
    if row is None or now - moment(row[0]) >= PRUNE_EVERY:
        removed = prune(db, preferences)
        logger.info("removed %d old conversations from the history", removed)


def prune(db: Database, limits: Preferences) -> int:
    """Remove conversations that nothing was added to for too long, then the oldest until the rest is small enough.

    Args:
        db: The history.
        limits: Of these ``days`` and ``max_mb`` count.

    Returns:
        How many went.
    """
    now = datetime.now(timezone.utc)
    removed = 0
    with transaction(db):
        if limits.days is not None:
            oldest = stamp(now - timedelta(days=min(limits.days, 365_000)))
            removed += db.execute("DELETE FROM conversations WHERE updated < ?", [oldest]).rowcount
        if limits.max_mb is not None:
            removed += _shrink(db, round(limits.max_mb * 1e6))
        db.execute("INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)", [_PRUNED, stamp(now)])
        if removed:
            _forget_words(db)
    return removed


def delete(db: Database, ids: Sequence[int]) -> int:
    """Remove conversations by number so that nothing of them is left in the file, and return how many there were."""
    removed = 0
    with transaction(db):
        for number in ids:
            removed += db.execute("DELETE FROM conversations WHERE id = ?", [number]).rowcount
        _forget_words(db)
    give_space_back(db)
    return removed


def clear(db: Database) -> int:
    """Remove everything."""
    with transaction(db):
        removed = db.execute("DELETE FROM conversations").rowcount
        _forget_words(db)
    give_space_back(db)
    return removed


def give_space_back(db: Database) -> None:
    """Make the file as small as it can be."""
    db.vacuum()
    # The log beside the file may still hold what has been deleted.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def used_bytes(db: Database) -> int:
    """Bytes in use, free pages left out."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _shrink(db: Database, limit: int) -> int:
    """Remove the oldest tenth, again and again, until what is left fits; the last conversation stays."""
    removed = 0
    while used_bytes(db) > limit:
        (count,) = db.execute("SELECT count(*) FROM conversations").fetchone()
        if count <= 1:
            break
        db.execute(
            "DELETE FROM conversations WHERE id IN (SELECT id FROM conversations ORDER BY updated, id LIMIT ?)",
            [max(count // 10, 1)],
        )
        _forget_words(db)
        removed += max(count // 10, 1)
    return removed


def _forget_words(db: Database) -> None:
    """FTS5 only marks words as deleted; merging its parts drops them."""
    if has_fts5(db):
        db.execute(f"INSERT INTO {INDEX}({INDEX}) VALUES ('optimize')")
