"""Runs what blocks in a thread that does not keep the process from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread of its own and return what it returns, or raise what it raises.

    Unlike ``asyncio.to_thread`` nobody waits for it at the end: a download may take minutes, and a signal must not.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(lambda: None if future.done() else set_it())

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - passed on to whoever waits
            caught = error if not isinstance(error, StopIteration) else RuntimeError(repr(error))
            settle(lambda: future.set_exception(caught))
        else:
            settle(lambda: future.set_result(result))

    threading.Thread(target=run, name="load", daemon=True).start()
    return await future
