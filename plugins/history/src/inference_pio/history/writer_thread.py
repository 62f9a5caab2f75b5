"""The thread that writes. It waits for locks, imports sqlite-utils, and may fail; none of that holds an answer up."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import HistoryError
from .preferences import load_preferences

if TYPE_CHECKING:
    from sqlite_utils import Database

    from .records import Record

logger = logging.getLogger(__name__)

QUEUE_LENGTH = 10_000
"""Records that may wait; what comes on top is not kept, so that a dead disk cannot fill the memory."""

IDLE_S = 2.0
"""Seconds without work after which the file is closed."""

ATTEMPTS = 5
RETRY_S = 0.05
"""Tries of a record in a locked file, and seconds before the second one, twice that before the third and so on."""


class WriterThread:
    """Writes records one after another; started by the first one.

    Args:
        own: Conversations that this process has written to, by file.
        warn: Told what went wrong.
    """

    def __init__(self, own: dict[Path, set[int]], warn: Warn) -> None:
        self._own, self._warn = own, warn
        self._queue: queue.Queue[tuple[Path, Record] | None] = queue.Queue(QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._run, name="inference-pio-history", daemon=True)
        self._thread.start()

    def put(self, path: Path, record: Record) -> None:
        """Queue a record for a file; does not wait."""
        try:
            self._queue.put_nowait((path, record))
        except queue.Full:
            self._warn("the history cannot keep up; some generations are not kept")

    def finish(self, limit_s: float) -> int:
        """Write what is queued and end the thread.

        Args:
            limit_s: Longest wait, seconds.

        Returns:
            How many records may be missing, because it took longer.
        """
        with contextlib.suppress(queue.Full):  # then there is no end to wait for, and the rest is counted as missing
            self._queue.put(None, timeout=limit_s)
        self._thread.join(limit_s)
        # The one being written has left the queue, the mark of the end is still in it.
        return max(self._queue.qsize(), 1) if self._thread.is_alive() else 0

    def _run(self) -> None:
        with _OpenFile(self._own) as file:
            while True:
                try:
                    item = self._queue.get(timeout=IDLE_S if file.is_open else None)
                except queue.Empty:
                    file.close()
                    continue
                if item is None:
                    return
                self._write(file, *item)

    def _write(self, file: _OpenFile, path: Path, record: Record) -> None:
        try:
            if load_preferences().recording:
                self._add(file, path, record)
        except HistoryError as error:
            self._warn(f"a generation was not kept: {error}")
            file.close()
        except Exception as error:  # the thread must outlive whatever one record can do
            logger.debug("a record could not be kept", exc_info=True)
            self._warn(f"a generation was not kept in the history: {type(error).__name__}: {error}")
            file.close()

    def _add(self, file: _OpenFile, path: Path, record: Record) -> None:
        """Write a record, again if another process was in the way.

        SQLite does not wait where waiting could be a deadlock: two processes that begin one file get "locked" at once.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                file.add(path, record)
            except HistoryError as error:
                if attempt == ATTEMPTS or "locked" not in str(error.__cause__):
                    raise
                file.close()
                time.sleep(RETRY_S * attempt)
            else:
                return


class _OpenFile:
    """The database of the last record, open until another one is asked for or nothing comes for a while."""

    def __init__(self, own: dict[Path, set[int]]) -> None:
        self._own = own
        self._stack = contextlib.ExitStack()
        self._db: Database | None = None
        self._path: Path | None = None

    def __enter__(self) -> _OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self._db is not None

    def add(self, path: Path, record: Record) -> None:
        """Write a record, and remove what is too old if that was not done lately."""
        from .database import explained, open_database
        from .retention import prune_when_due
        from .writing import add_record

        if self._db is None or path != self._path:
            self.close()
            self._db, self._path = self._stack.enter_context(open_database(path, create=True)), path
        with explained(path):
            add_record(self._db, record, self._own.setdefault(path, set()))
            prune_when_due(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db = None
        self._stack.close()


if TYPE_CHECKING:
    from collections.abc import Callable

    Warn = Callable[[str], None]
