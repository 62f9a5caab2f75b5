"""Stops working for a client that has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .body import ClientGoneError

if TYPE_CHECKING:
    from starlette.types import Receive


async def run_until_gone(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do something for a client while it is there. Only for requests whose body has been read.

    Args:
        work: Cancelled as soon as the client has closed the connection; its cleanup is waited for.
        receive: Of ASGI.

    Raises:
        ClientGoneError: The client went before the work was done.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGoneError
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
