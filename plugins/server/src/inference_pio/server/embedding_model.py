"""``EmbeddingModel``: an ``EmbeddingModelPlugin`` as a ``ServedModel``; one call at a time, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from inference_pio.errors import ChatTemplateError, InvalidOptionError, NotLoadedError, QueueFullError
from inference_pio.generation import Message, SamplingOptions

from .plugin_tokens import PluginTokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.interfaces import EmbeddingModelPlugin


class EmbeddingModel(PluginTokens):
    """See the module; attributes as in ``ServedModel``.

    Args:
        plugin: Loaded; given up for good when this is closed.
        max_waiting: Calls that may wait.
    """

    has_chat_template = takes_tools = False
    can_embed = True

    def __init__(self, plugin: EmbeddingModelPlugin, *, max_waiting: int = 64) -> None:
        super().__init__(plugin)
        self.name, self.context, self.vocab_size = plugin.name, plugin.context, plugin.vocab_size
        self.sampling_defaults = SamplingOptions()
        self._plugin, self._max_waiting = plugin, max_waiting
        self._turn = asyncio.Lock()
        self._asked = self._tokens = 0
        self._is_closed = False

    async def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """See ``ServedModel``."""
        raise ChatTemplateError(f"{self.name} turns texts into vectors and cannot chat. Use /v1/embeddings")

    async def start(
        self,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> NoReturn:
        """See ``ServedModel``."""
        raise InvalidOptionError(f"{self.name} turns texts into vectors and writes none. Use /v1/embeddings")

    async def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """See ``ServedModel``. A call that is cancelled lets the next one wait until it has ended."""
        if self._asked > self._max_waiting:
            raise QueueFullError(f"{self._max_waiting} requests wait for {self.name} already; try again later")
        self._asked += 1
        try:
            return await asyncio.shield(asyncio.ensure_future(self._embed([list(ids) for ids in inputs])))
        finally:
            self._asked -= 1

    async def _embed(self, inputs: list[list[int]]) -> NDArray[np.float32]:
        async with self._turn:
            if self._is_closed:
                raise NotLoadedError(f"{self.name} has been unloaded")
            vectors = await asyncio.to_thread(self._plugin.embed, inputs)
            self._tokens += sum(map(len, inputs))
            return vectors

    def figures(self) -> Mapping[str, float]:
        """See ``ServedModel``."""
        running = int(self._turn.locked())
        waiting = max(self._asked - running, 0)
        return {"running": running, "waiting": waiting, "prompt_tokens": self._tokens, "is_alive": 1}

    async def close(self) -> None:
        """See ``ServedModel``. Waits for the call that is under way."""
        async with self._turn:
            if not self._is_closed:
                self._is_closed = True
                await asyncio.to_thread(self._plugin.cleanup)
