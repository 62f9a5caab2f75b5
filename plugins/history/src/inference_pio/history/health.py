"""What ``inference-pio doctor`` and ``logs status`` say about the history. Opens nothing for writing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from inference_pio.hookspecs import DoctorFinding

from .errors import HistoryError
from .preferences import Preferences, database_path, load_preferences


def check_history() -> DoctorFinding:
    """Look at the switch, the file and who may read it."""
    path = database_path()
    try:
        preferences = load_preferences()
        count, size = _count(path), _size(path)
    except (HistoryError, sqlite3.Error, OSError) as error:
        return DoctorFinding(
            name="history",
            status="error",
            message=f"runs and chats are not kept: {error}",
            fix=f"Mend it, or move the file away: mv {path} {path}.damaged",
            data={"path": str(path)},
        )
    state = "on" if preferences.recording else "off"
    is_open = _is_readable_by_others(path)
    message = f"{state}, {count} conversations, {size / 1e6:.1f} MB, {path}"
    return DoctorFinding(
        name="history",
        status="warning" if is_open else "ok",
        message=message + (", which others on this machine can read" if is_open else ""),
        fix=f"chmod 600 {path}" if is_open else "",
        data={"path": str(path), "bytes": size, "conversations": count, **describe(preferences)},
    )


def describe(preferences: Preferences) -> dict[str, Any]:
    """Return the decisions for programs."""
    return {"recording": preferences.recording, "days": preferences.days, "max_mb": preferences.max_mb}


def _count(path: Path) -> int:
    if not path.exists():
        return 0
    # Plain sqlite3: one number is not worth the import of sqlite-utils.
    with closing(sqlite3.connect(path, timeout=1)) as connection:
        if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'conversations'").fetchone()[0] == 0:
            return 0
        return int(connection.execute("SELECT count(*) FROM conversations").fetchone()[0])


def _size(path: Path) -> int:
    """Bytes of the file and of its log."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _is_readable_by_others(path: Path) -> bool:
    return os.name == "posix" and path.exists() and bool(path.stat().st_mode & 0o077)
