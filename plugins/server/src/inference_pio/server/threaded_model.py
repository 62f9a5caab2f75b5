"""``ThreadedModel``: any ``TextModelPlugin`` as a ``ServedModel``; one request at a time, in a thread of its own.

For models that have no engine of the runtime behind them. What they cannot do is refused by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference_pio.errors import (
    ChatTemplateError,
    EngineDeadError,
    InferencePioError,
    InvalidOptionError,
    NotLoadedError,
    QueueFullError,
    describe_error,
)
from inference_pio.generation import Chunk, GenerationStats, Message, SamplingOptions

from .daemon_thread import in_daemon_thread
from .plugin_tokens import PluginTokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.interfaces import TextModelPlugin

logger = logging.getLogger(__name__)

REFUSED = ("constraint", "prompt_logprobs", "logprobs")
"""Options that only an engine of the runtime can be trusted with."""

NO_LIMIT = 2**31 - 1
"""Stands for a context or a vocabulary whose size a model does not say."""


class ThreadedModel(PluginTokens):
    """See the module; attributes as in ``ServedModel``.

    Args:
        plugin: Loaded; given up for good when this is closed.
        max_waiting: Requests that may wait.
    """

    takes_tools = False
    can_embed = False

    def __init__(self, plugin: TextModelPlugin, *, max_waiting: int = 64) -> None:
        super().__init__(plugin)
        self.name = plugin.name
        self.context = _number(plugin, "context", "max_position_embeddings")
        self.vocab_size = _number(plugin, "vocab_size")
        self.sampling_defaults: SamplingOptions = getattr(plugin, "sampling_defaults", None) or SamplingOptions()
        self.has_chat_template = bool(plugin.has_chat_template)
        self._plugin, self._max_waiting = plugin, max_waiting
        self._queue: queue.SimpleQueue[ThreadedGeneration | None] = queue.SimpleQueue()
        self._live: set[ThreadedGeneration] = set()
        self._counts = dict.fromkeys(("prompt_tokens", "new_tokens"), 0)
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name=f"model {self.name}", daemon=True)
        self._thread.start()

    async def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """See ``ServedModel``. A model that keeps its template to itself gets the messages; this only counts tokens."""
        if not self.has_chat_template:
            raise ChatTemplateError(f"{self.name} brings no chat template: it continues text. Use /v1/completions")
        if tools:
            raise InvalidOptionError(f"tools: {self.name} takes none")
        apply: Any = getattr(self._plugin, "apply_chat_template", None)
        if apply is not None:
            return str(await asyncio.to_thread(apply, messages))
        return "\n".join(str(message.get("content") or "") for message in messages)

    async def start(
        self,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> ThreadedGeneration:
        """See ``ServedModel``."""
        given = _given(self.name, options)
        if self._is_closed:
            raise NotLoadedError(f"{self.name} has been unloaded")
        if not self._thread.is_alive():
            raise EngineDeadError(f"the thread of {self.name} has ended")
        if len(self._live) > self._max_waiting:
            raise QueueFullError(f"{self._max_waiting} requests wait for {self.name} already; try again later")

        def chunks() -> Iterator[Chunk]:
            if messages:
                return self._plugin.stream_chat(messages, **given)
            return self._plugin.stream(list(prompt_ids), raw=True, **given)

        generation = ThreadedGeneration(chunks, len(prompt_ids), self._live.discard)
        self._live.add(generation)
        self._queue.put(generation)
        return generation

    async def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """See ``ServedModel``."""
        raise InvalidOptionError(f"{self.name} offers no embeddings")

    def figures(self) -> Mapping[str, float]:
        """See ``ServedModel``."""
        running = sum(generation.is_running for generation in self._live)
        return {
            **self._counts,
            "running": running,
            "waiting": len(self._live) - running,
            "is_alive": float(self._thread.is_alive() or self._is_closed),
        }

    async def close(self) -> None:
        """See ``ServedModel``. Waits for the token that is being computed."""
        if self._is_closed:
            return
        self._is_closed = True
        for generation in list(self._live):
            generation.cancel()
        self._queue.put(None)
        await in_daemon_thread(self._thread.join)

    def _work(self) -> None:
        while (generation := self._queue.get()) is not None:
            generation.run()
            self._counts["prompt_tokens"] += generation.prompt_tokens
            self._counts["new_tokens"] += generation.new_tokens
        try:
            self._plugin.cleanup()
        except Exception as error:  # a plugin may raise anything, and there is nobody left to tell
            logger.error("model %r did not close properly", self.name, exc_info=error)


class ThreadedGeneration:
    """See ``Generation``. Made by the event loop, run by the model's thread.

    Args:
        chunks: Begins the computation.
        prompt_tokens: Length of the prompt.
        ended: Called with this, in the event loop, when it has ended.
    """

    def __init__(
        self,
        chunks: Callable[[], Iterator[Chunk]],
        prompt_tokens: int,
        ended: Callable[[ThreadedGeneration], None],
    ) -> None:
        self.prompt_tokens, self.new_tokens = prompt_tokens, 0
        self.is_running = False
        self._chunks, self._ended = chunks, ended
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()
        self._cancelled = threading.Event()
        self._started_s, self._first_token_s = time.perf_counter(), 0.0

    def __aiter__(self) -> ThreadedGeneration:
        return self

    async def __anext__(self) -> Chunk:
        item = await self._arrived.get()
        if isinstance(item, Chunk):
            return item
        self._arrived.put_nowait(None)  # whoever asks again is told the same
        if item is None:
            raise StopAsyncIteration
        raise item

    def cancel(self) -> None:
        """See ``Generation``."""
        self._cancelled.set()

    def run(self) -> None:
        """Compute, in the model's thread."""
        self.is_running = True
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; whoever reads the answer is told
            self._deliver(error if isinstance(error, InferencePioError) else _foreign(error))
        finally:
            self.is_running = False
            self._call(lambda: self._ended(self))
            self._deliver(None)

    def _run(self) -> None:
        if not self._cancelled.is_set():
            chunks = self._chunks()
            try:
                for chunk in chunks:
                    if self._cancelled.is_set():
                        break
                    self._note(chunk)
                    self._deliver(chunk)
                    if chunk.finish_reason:
                        return
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        reason = "cancelled" if self._cancelled.is_set() else "stop"  # a plugin that forgot to say so
        self._deliver(Chunk(text="", finish_reason=reason, stats=self._stats()))  # type: ignore[arg-type]  # one of two

    def _note(self, chunk: Chunk) -> None:
        if not self.new_tokens and chunk.token_ids:
            self._first_token_s = time.perf_counter() - self._started_s
        self.new_tokens += len(chunk.token_ids)

    def _stats(self) -> GenerationStats:
        return GenerationStats(
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            first_token_s=self._first_token_s,
            total_s=time.perf_counter() - self._started_s,
        )

    def _deliver(self, item: Chunk | Exception | None) -> None:
        self._call(lambda: self._arrived.put_nowait(item))

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(function)


def _foreign(error: Exception) -> Exception:
    logger.error("a model failed: %s", describe_error(error), exc_info=error)
    return InferencePioError("the model failed at this request; the server's log says how")


def _given(name: str, options: SamplingOptions) -> dict[str, Any]:
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    given = {key: value for key, value in values.items() if value is not None and value is not False}
    for key in REFUSED:
        if key in given:
            raise InvalidOptionError(f"{key}: {name} does not offer this")
    if given.get("max_new_tokens") == 0:
        raise InvalidOptionError(f"max_new_tokens: {name} generates at least one token")
    return given


def _number(plugin: TextModelPlugin, *names: str) -> int:
    """Return the first of some attributes, of the plugin or of its configuration, that is a number."""
    for owner in (plugin, getattr(plugin, "config", None)):
        for name in names:
            value = getattr(owner, name, None)
            if isinstance(value, int) and value > 0:
                return value
    return NO_LIMIT
