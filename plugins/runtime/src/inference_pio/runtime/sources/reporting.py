"""Progress of a download that somebody else does: the bytes that have arrived in a folder are looked at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inference_pio.file_sizes import size_of
from inference_pio.generation import ProgressEvent

if TYPE_CHECKING:
    from pathlib import Path

    from inference_pio.generation import ProgressCallback

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1


@dataclass
class Reporter:
    """Tells a callback how far a download is. ``done`` never goes back.

    Attributes:
        callback: Who wants to know, if anybody.
        total: Bytes in all, if known.
        label: What is fetched.
        done: Bytes of the parts that are complete.
    """

    callback: ProgressCallback | None
    total: int | None
    label: str
    done: int = 0
    _shown: int = 0

    def report(self, stage: Literal["download", "verify"], done: int) -> None:
        """Call back; more than the total is never reported."""
        if self.callback is not None:
            if stage == "download":
                # A wheel is a little larger than the file in it.
                done = self._shown = max(done, self._shown)
            done = done if self.total is None else min(done, self.total)
            self.callback(ProgressEvent(stage=stage, done=done, total=self.total, unit="bytes", label=self.label))

    def arrived(self, path: Path) -> None:
        """Report that a part has come whole, as the file at ``path``."""
        self.report("download", self.done + path.stat().st_size)

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Report the growth of ``folder`` as part of the download while the block runs."""
        if self.callback is None:
            yield
            return
        self.report("download", self.done)
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(folder, stop), name="download-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _watch(self, folder: Path, stop: threading.Event) -> None:
        largest = 0
        while not stop.wait(POLL_SECONDS):
            # The largest so far: downloaders move their files away in the end.
            size = size_of(folder)
            if size <= largest:
                continue
            largest = size
            try:
                self.report("download", self.done + size)
            except Exception:  # a bar that breaks must not end a download
                logger.warning("reporting progress of %s failed", self.label, exc_info=True)
                return
