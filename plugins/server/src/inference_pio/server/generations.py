"""``Generations``: the answers to one request under way together; whatever happens, none is left computing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Literal

from inference_pio.generation import Chunk, Message, SamplingOptions

from .api_errors import RETRY_AFTER_S, ApiError

if TYPE_CHECKING:
    from .served_model import Generation, ServedModel


class Generations:
    """Answers under way, read as their pieces come. Whoever does not read to the end calls ``cancel``."""

    def __init__(self) -> None:
        self._running: list[Generation] = []

    async def add(
        self,
        model: ServedModel,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        n: int = 1,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> None:
        """Queue ``n`` more answers to one prompt; the i-th has the seed ``options.seed + i``, so that they differ.

        Raises:
            InferencePioError: What ``ServedModel.start`` raised; everything that was queued has been cancelled.
        """
        try:
            for place in range(n):
                seed = None if options.seed is None else options.seed + place
                each = dataclasses.replace(options, seed=seed)
                self._running.append(
                    await model.start(prompt_ids, each, text=text, messages=messages, cache_salt=cache_salt)
                )
        except BaseException:
            self.cancel()
            raise

    def __len__(self) -> int:
        return len(self._running)

    def cancel(self) -> None:
        """Stop all of them at the next step. Never waits; safe to call at any time."""
        for generation in self._running:
            generation.cancel()

    async def chunks(self) -> AsyncGenerator[tuple[int, Chunk], None]:
        """Yield the number of an answer and its next piece, as they come, until all have ended.

        At most two pieces an answer are read ahead, on average, of whoever reads slowly.

        Closing it, cancelling whoever waits for it, or an error of one answer cancels all. Close it by
        ``contextlib.aclosing``: a generator that is merely dropped is closed at some later time.
        """
        if len(self._running) == 1:  # as most requests are: without a task for each token
            try:
                async for chunk in self._running[0]:
                    yield 0, chunk
            finally:
                self.cancel()
            return
        # A task an answer, and not one a piece: a piece costs the same however many answers there are. Each task comes
        # into the queue itself when it ends, so whatever ended it is heard of.
        news: asyncio.Queue[tuple[int, Chunk] | asyncio.Task[None]] = asyncio.Queue()
        room = asyncio.Semaphore(len(self._running))  # pieces that are read ahead
        readers = [asyncio.create_task(self._read(index, room, news)) for index in range(len(self._running))]
        for reader in readers:
            reader.add_done_callback(news.put_nowait)
        try:
            left = len(readers)
            while left:
                piece = await news.get()
                if isinstance(piece, asyncio.Task):
                    piece.result()
                    left -= 1
                else:
                    room.release()
                    yield piece
        finally:
            self.cancel()
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(
        self, index: int, room: asyncio.Semaphore, news: asyncio.Queue[tuple[int, Chunk] | asyncio.Task[None]]
    ) -> None:
        async for chunk in self._running[index]:
            await room.acquire()
            news.put_nowait((index, chunk))


def finish_reason_of(chunk: Chunk) -> Literal["stop", "length"] | None:
    """Return why an answer has ended, as its client is told; ``None`` before its last piece.

    Raises:
        ApiError: 503: the answer was cancelled by the server.
    """
    if chunk.finish_reason == "cancelled":
        raise ApiError(503, "the answer was cut off by the server", code="cancelled", retry_after_s=RETRY_AFTER_S)
    return chunk.finish_reason
