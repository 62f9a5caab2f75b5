"""``Turn``: who may drive the executor now. A lock that is given in order of arrival and knows its holder."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inference_pio.errors import InferencePioError


class Turn:
    """Held for one step at a time, so that streams consumed by several threads take turns and nobody starves.

    A plain lock would not do: whoever releases it mostly gets it again, and a thread whose token has arrived meanwhile
    would wait on for nothing.
    """

    def __init__(self) -> None:
        # Reentrant: the garbage collector may close a stream, and so cancel, in the middle of these few lines.
        self.changed = threading.Condition(threading.RLock())
        """Held for moments only; also guards what may be done while nobody has the turn."""
        self._holder: int | None = None
        self._queue: deque[object] = deque()

    @property
    def is_free(self) -> bool:
        """Whether nobody has the turn; ask with ``changed`` held."""
        return self._holder is None

    @contextmanager
    def hold(self, unless: Callable[[], bool], leave: Callable[[], None]) -> Iterator[bool]:
        """Wait for the turn and keep it for the body of the ``with``.

        Args:
            unless: No need for the turn any more; asked before it is taken, and after each turn of somebody else.
            leave: Called at the end of the turn with ``changed`` held.

        Returns:
            Whether this thread has the turn; false when ``unless`` came first.

        Raises:
            InferencePioError: This thread has it already: a callback of a step tries to take a step.
        """
        me = threading.get_ident()
        if self._holder == me:
            raise InferencePioError(
                "a model cannot be used from inside its own step. A logits processor or hook that needs an answer must "
                "ask another model, or ask before the generation starts"
            )
        try:  # around the taking, too: Ctrl-C may come right after it
            yield self._take(unless)
        finally:
            if self._holder == me:
                with self.changed:
                    try:
                        leave()
                    finally:
                        self._holder = None
                        self.changed.notify_all()

    def _take(self, unless: Callable[[], bool]) -> bool:
        ticket = object()
        with self.changed:
            self._queue.append(ticket)
            try:
                while not unless():
                    if self._holder is None and self._queue[0] is ticket:
                        self._holder = threading.get_ident()
                        return True
                    self.changed.wait()
                return False
            finally:
                self._queue.remove(ticket)
                self.changed.notify_all()
