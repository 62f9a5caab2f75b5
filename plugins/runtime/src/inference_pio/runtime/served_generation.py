"""``ServedGeneration``: one answer on its way from the engine's thread to whoever reads it in the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from inference_pio.generation import Chunk, FinishReason

if TYPE_CHECKING:
    from inference_pio.errors import InferencePioError

    from .engine import Engine
    from .request import Request, TokenEvent
    from .text_generation import TextGeneration

    Ended = Callable[["ServedGeneration", FinishReason, Callable[[BaseException | None], None]], None]


class ServedGeneration(AsyncIterator[Chunk]):
    """Iterating gives the answer's pieces, the last one with ``finish_reason`` and ``stats``.

    What nobody reads waits here: at most one piece a token. Whoever stops reading early calls ``cancel``.

    Attributes:
        text: Makes text of its tokens.
        request: The engine's side of it.

    Args:
        text: See above.
        request: See above.
        engine: Where it is cancelled.
        ended: Called once, at the end: forgets the generation and tells the hooks, then passes on what they raised.
    """

    def __init__(self, text: TextGeneration, request: Request, engine: Engine, ended: Ended) -> None:
        self.text, self.request = text, request
        self._engine, self._ended = engine, ended
        self._chunks: deque[Chunk] = deque()
        self._error: BaseException | None = None
        self._has_ended = self._is_complete = False
        self._news = asyncio.Event()

    async def __anext__(self) -> Chunk:
        """Return the next piece.

        Raises:
            InferencePioError: What ended the request, after the pieces that came before; again at every further call.
        """
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._is_complete:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._chunks.popleft()

    def cancel(self) -> None:
        """Stop the computation at the next step; does nothing when it has ended. Never waits."""
        self._engine.cancel(self.request)

    # Called by the service, in the event loop.

    def receive(
        self, events: Sequence[TokenEvent], reason: FinishReason | None, error: InferencePioError | None
    ) -> None:
        """Take what a step has brought.

        Args:
            events: New tokens.
            reason: Set when the request has ended.
            error: What ended it, if something failed.
        """
        try:
            for event in events:
                chunk = self.text.take(event)
                if chunk.finish_reason:
                    self.cancel()  # where a stop text ended it, the engine does not know yet
                    self._end(chunk.finish_reason, chunk)
                    return
                self._add(chunk)
            if error is not None:
                self.fail(error)
            elif reason is not None:
                self._end(reason, self.text.last(reason))
        except Exception as failure:  # noqa: BLE001 -- a token without text, or the like: the others go on
            self.fail(failure)

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        self.cancel()
        self._end("cancelled", error)

    def _end(self, reason: FinishReason, result: Chunk | BaseException) -> None:
        if self._has_ended:
            return
        self._has_ended = True

        def complete(hook_error: BaseException | None) -> None:
            last = hook_error or result
            if isinstance(last, Chunk):
                self._chunks.append(last)
            else:
                self._error = last
            self._is_complete = True
            self._news.set()

        self._ended(self, reason, complete)

    def _add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._news.set()
