"""``Generations``: the answers to one request under way together; whatever happens, none is left computing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from inference_pio.generation import Chunk, Message, SamplingOptions

if TYPE_CHECKING:
    from typing_extensions import Self

    from .served_model import Generation, ServedModel


class Generations:
    """Answers under way, read as their pieces come. Whoever does not read to the end calls ``cancel``."""

    def __init__(self) -> None:
        self._running: list[Generation] = []

    @classmethod
    async def start(
        cls,
        model: ServedModel,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        n: int = 1,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> Self:
        """Queue ``n`` answers to one prompt; see ``add``."""
        generations = cls()
        await generations.add(model, prompt_ids, options, n=n, text=text, messages=messages, cache_salt=cache_salt)
        return generations

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
        """Queue ``n`` more answers; the i-th has the seed ``options.seed + i``, so that they differ.

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
        waiting: dict[asyncio.Future[Chunk], int] = {}
        try:
            for index in range(len(self._running)):
                waiting[self._next(index)] = index
            while waiting:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=waiting.__getitem__):
                    index = waiting.pop(task)
                    if isinstance(error := task.exception(), StopAsyncIteration):
                        continue
                    if error is not None:
                        raise error
                    chunk = task.result()
                    waiting[self._next(index)] = index
                    yield index, chunk
        finally:
            self.cancel()
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _next(self, index: int) -> asyncio.Future[Chunk]:
        return asyncio.ensure_future(_piece(self._running[index]))


async def _piece(generation: Generation) -> Chunk:
    return await generation.__anext__()
