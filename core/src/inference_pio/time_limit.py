"""Calling code that may never return."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def call_with_limit(function: Callable[[], T], limit_s: float) -> T:
    """Call a function and return or raise what it does; give up on it after some seconds.

    What does not end goes on in a daemon thread, which does not keep the process from ending.

    Raises:
        TimeoutError: It has not ended by then.
    """
    call = _Call(function)
    thread = threading.Thread(target=call.run, daemon=True, name=f"limited to {limit_s:g} s")
    try:
        thread.start()
    except RuntimeError:  # no new threads at this stage of the interpreter's end
        call.run()
    else:
        thread.join(limit_s)
    return call.answer(limit_s)


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._answers: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._answers.append(self._function())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._error = error

    def answer(self, limit_s: float) -> T:
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise TimeoutError(f"it has not ended after {limit_s:g} s")
        return self._answers[0]
