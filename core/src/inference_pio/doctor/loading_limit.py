"""An end to imports that have none.

Importing cannot be moved to a thread that is left behind, as a check can: it would hold the import lock and the host's.
An alarm interrupts it where it is, a ``time.sleep`` included.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ..loading import load_entry_point


@contextlib.contextmanager
def loading_limit(limit_s: float) -> Iterator[None]:
    """Let the import of a plugin fail that goes on when ``limit_s`` seconds are over, and again after as many.

    Does nothing where there are no alarms (Windows), and outside the main thread.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, frame: FrameType | None) -> None:
        if _is_loading(frame):  # the host's own code between two plugins is not to blame
            raise TimeoutError(f"it has not ended after {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_loading(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is load_entry_point.__code__:
            return True
        frame = frame.f_back
    return False
