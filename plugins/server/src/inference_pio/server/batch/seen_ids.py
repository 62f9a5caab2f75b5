"""Which line used a ``custom_id`` first; on disk when there are many, so that memory does not grow with the file."""

from __future__ import annotations

import sqlite3


class SeenIds:
    """Remembers names until it is closed."""

    def __init__(self) -> None:
        # SQLite keeps a database without a name in memory as long as it is small, else in a file that nobody sees.
        self._db = sqlite3.connect("")
        self._db.execute("CREATE TABLE seen (id BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def first_line(self, custom_id: str, line: int) -> int:
        """Return the line that used a name first: ``line`` itself, where it is new."""
        name = custom_id.encode()
        if self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (name, line)).rowcount:
            return line
        ((first,),) = self._db.execute("SELECT line FROM seen WHERE id = ?", (name,)).fetchall()
        return int(first)

    def close(self) -> None:
        """Forget everything."""
        self._db.close()
