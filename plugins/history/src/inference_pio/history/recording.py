"""What the hooks do with a generation: look at the clock, and hand it to the thread that writes."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from inference_pio import settings

from .preferences import database_path, switch_of_environment
from .writer_thread import WriterThread

if TYPE_CHECKING:
    from pathlib import Path

    from inference_pio import Completion
    from inference_pio.generation import GenerationRequest

logger = logging.getLogger(__name__)

UNFINISHED = 10_000
"""Beginnings that are remembered: a plugin may tell of a beginning and never of the end."""

CLOSE_S = 3.0
"""Seconds that the end of the process may wait for what is still to be written; below the host's own limit."""


@dataclass(frozen=True)
class _Begun:
    request: GenerationRequest  # held, so that no other request gets its id
    started: datetime
    clock_s: float
    handled: BaseException | None


class Recorder:
    """Keeps the generations of one process. Safe to use from several threads, and after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: OrderedDict[int, _Begun] = OrderedDict()
        self._checkpoints: dict[str, str | None] = {}
        self._own: dict[Path, set[int]] = {}
        self._warned: set[str] = set()
        self._writer: WriterThread | None = None
        self._process = os.getpid()

    def loaded(self, plugin_name: str, checkpoint: str | None) -> None:
        """Remember what a model runs. When it was loaded with different ones, a request does not tell which it is."""
        with self._lock:
            known = self._checkpoints.get(plugin_name, checkpoint)
            self._checkpoints[plugin_name] = checkpoint if known == checkpoint else None

    def begin(self, request: GenerationRequest) -> None:
        """Note that a generation starts."""
        begun = _Begun(request, datetime.now(timezone.utc), time.perf_counter(), sys.exc_info()[1])
        with self._lock:
            self._begun[id(request)] = begun
            if len(self._begun) > UNFINISHED:
                self._begun.popitem(last=False)

    def end(self, request: GenerationRequest, completion: Completion) -> None:
        """Hand over a generation that has ended."""
        from .records import Record

        with self._lock:
            begun = self._begun.pop(id(request), None)
        switch = switch_of_environment()
        if switch is False or (switch is None and settings.is_trial()):  # `bench` and `test` are nobody's conversation
            return
        seconds = time.perf_counter() - begun.clock_s if begun else completion.stats.total_s
        record = Record(
            request=request,
            messages=tuple(dict(message) for message in request.messages),
            completion=completion,
            checkpoint=self._checkpoints.get(request.plugin_name),
            started=begun.started if begun else datetime.now(timezone.utc),
            duration_s=seconds,
            error=_error(completion, begun),
        )
        with self._lock:
            self._running_writer().put(database_path(), record)

    def close(self, limit_s: float = CLOSE_S) -> None:
        """Write what is still queued and end the thread; a later record starts another.

        Args:
            limit_s: Longest wait, seconds.
        """
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is None or self._process != os.getpid():
            return
        missing = writer.finish(limit_s)
        if missing:
            logger.warning(
                "the history %s is busy or locked by another program; the last generations (%d) may be missing in it",
                database_path(),
                missing,
            )

    def _running_writer(self) -> WriterThread:
        if self._writer is None or self._process != os.getpid():  # a fork takes no threads along
            self._process = os.getpid()
            self._writer = WriterThread(self._own, self._warn)
            atexit.unregister(self.close)
            atexit.register(self.close)  # a program that is no command line may end without telling the host
        return self._writer

    def _warn(self, message: str) -> None:
        # Once aloud: what is wrong with the file is wrong for every record.
        logger.log(logging.DEBUG if message in self._warned else logging.WARNING, "%s", message)
        self._warned.add(message)


def _error(completion: Completion, begun: _Begun | None) -> str | None:
    """What ended a generation early, if it was an error: the hook is called while the error is on its way up."""
    error = sys.exc_info()[1]
    if completion.finish_reason != "cancelled" or not isinstance(error, Exception):
        return None  # a closed stream and Ctrl-C are the user's own
    if begun is not None and error is begun.handled:
        return None  # it was there before: the generation was started in an `except` block
    return f"{type(error).__name__}: {error}"
