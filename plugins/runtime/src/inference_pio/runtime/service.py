"""``TextService``: a loaded model that answers any number of requests at once, for programs with an event loop.

One thread does nothing but step after step of the engine, and tells the event loop what each step has brought, with one
call a step. Everything about text happens in the event loop's thread: so the next step, which is mostly native code
that needs no interpreter, is under way while the last one's tokens become text.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from inference_pio.errors import EngineDeadError, InvalidOptionError, NotLoadedError, TokenizerError

from .served_generation import ServedGeneration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.errors import InferencePioError
    from inference_pio.generation import FinishReason, Message, SamplingOptions

    from .causal_lm import CausalLMPlugin
    from .request import Request, TokenEvent
    from .text_generation import TextGeneration

logger = logging.getLogger(__name__)
T = TypeVar("T")
News = list[tuple["Request", "list[TokenEvent]", "FinishReason | None", "InferencePioError | None"]]

DIRECT_CHARS = 10_000
"""Characters up to which a text is rendered or tokenized at once, a few milliseconds; longer ones in a thread."""

GRAMMAR_THREADS = 2
"""Constraints that are compiled at once. A hostile one takes seconds and gigabytes, in a process of its own; many of
them must take neither all memory nor the threads that others need."""

_HOOKS = ("pio_before_generation", "pio_logits_processors", "pio_after_generation")


class TextService:
    """See the module. Make it in the thread that has loaded the model; use it from one event loop.

    Attributes:
        name: Entry point name of the model.
        context: Places in the context, tokens.
        vocab_size: Token ids are below this.
        sampling_defaults: What holds where a request says nothing.
        has_chat_template: Whether it can chat.
        takes_tools: Whether its chat template has a place for tools.
        can_embed: Whether ``embed`` works.

    Args:
        plugin: A loaded model; belongs to the service from now on, which unloads it in ``close``.

    Raises:
        NotLoadedError: It has not been loaded.
    """

    def __init__(self, plugin: CausalLMPlugin) -> None:
        if plugin.engine is None or plugin.hooks is None:
            raise NotLoadedError(f"{plugin.name} is not loaded; call load_model() first")
        self._plugin, self._engine = plugin, plugin.engine
        self.name, self.sampling_defaults = plugin.name, plugin.sampling_defaults
        self.context, self.vocab_size = self._engine.context, self._engine.executor.vocab_size
        self.has_chat_template, self.takes_tools = plugin.has_chat_template, plugin.takes_tools
        self.can_embed = callable(getattr(plugin, "embed", None))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: dict[Request, ServedGeneration] = {}
        self._death: BaseException | None = None
        self._closing: asyncio.Task[None] | None = None
        # Hooks are anybody's code and may take their time; one thread, so that they hear of things in order.
        has_hooks = any(plugin.hooks.implementations(hook) for hook in _HOOKS)
        self._hook_thread = ThreadPoolExecutor(1, f"hooks of {self.name}") if has_hooks else None
        self._grammar_threads = ThreadPoolExecutor(GRAMMAR_THREADS, f"grammars of {self.name}")
        self._thread = threading.Thread(target=self._run, name=f"engine of {self.name}", daemon=True)
        self._thread.start()

    # What a request needs before it starts.

    async def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """Write a conversation as the text that asks for the next message.

        A content that is a list of texts is joined: many templates take only texts.

        Raises:
            ChatTemplateError: There is no template, it refuses these messages, or it has no place for tools.
        """
        plain = [_with_joined_text(message) for message in messages]
        size = sum(len(content) for message in plain if isinstance(content := message.get("content"), str))
        # Calls are not counted, and may be long.
        is_small = size <= DIRECT_CHARS and not tools and not any(message.get("tool_calls") for message in plain)
        return await _run_where(is_small, lambda: self._plugin.apply_chat_template(plain, tools))

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return a text's token ids.

        Raises:
            TokenizerError: The text is not valid Unicode.
        """
        is_small = len(text) <= DIRECT_CHARS
        return await _run_where(is_small, lambda: self._plugin.tokenize(text, add_special_tokens=add_special_tokens))

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens included.

        Raises:
            TokenizerError: A token is not in the vocabulary.
        """
        is_small = len(token_ids) <= DIRECT_CHARS
        return await _run_where(is_small, lambda: self._plugin.detokenize(token_ids, skip_special_tokens=False))

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; see ``Tokenizer.token_bytes``.

        None for rows of the model's vocabulary that the tokenizer does not know: they fill it up to a round number, and
        may be among the likeliest tokens of a position all the same.

        Raises:
            TokenizerError: The token is not in the model's vocabulary.
        """
        try:
            return self._plugin.token_bytes(token_id)
        except TokenizerError:
            if 0 <= token_id < self.vocab_size:
                return b""
            raise

    # Answers.

    async def start(
        self,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> ServedGeneration:
        """Queue a request.

        Args:
            prompt_ids: The prompt.
            options: What was asked for; ``None`` fields take ``sampling_defaults``.
            text: The prompt's text, where it had one; for hooks.
            messages: The conversation, where it is one; for hooks.
            cache_salt: Only requests of one salt share computed prompts.

        Raises:
            UsageError: An option is out of range, the prompt is empty, a token is not in the vocabulary.
            ContextLengthError: The prompt does not fit the context.
            QueueFullError: As many requests wait as may wait.
            EngineDeadError: What computes has ended.
            NotLoadedError: The model has been unloaded.
        """
        self._check_alive()
        self._bind(asyncio.get_running_loop())

        def make() -> TextGeneration:
            return self._plugin.new_generation(text, prompt_ids, options, messages, cache_salt=cache_salt)

        if options.constraint is None and self.sampling_defaults.constraint is None:
            generation = make()
        else:
            generation = await asyncio.get_running_loop().run_in_executor(self._grammar_threads, make)
        processors = await self._in_hook_thread(generation.tell_start, lambda: generation.tell_end("cancelled"))
        try:
            self._check_alive()
        except BaseException:
            await self._in_hook_thread(lambda: generation.tell_end("cancelled"))
            raise
        # No await between these two: news of the request come to this thread, and must find its generation.
        request = generation.submit(processors)
        served = ServedGeneration(generation, request, self._engine, self._end)
        self._open[request] = served
        return served

    async def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return one vector a text, (N, D) float32.

        Raises:
            InvalidOptionError: The model offers no embeddings.
        """
        embed = getattr(self._plugin, "embed", None)
        if not callable(embed):
            raise InvalidOptionError(f"{self.name} offers no embeddings: it continues text")
        vectors: NDArray[np.float32] = await asyncio.to_thread(embed, inputs)
        return vectors

    def figures(self) -> Mapping[str, float]:
        """Return what the engine does now and has done so far; see ``Engine.figures``."""
        is_alive = self._death is None and self._closing is None and self._thread.is_alive()
        return {**self._engine.figures(), "is_alive": int(is_alive)}

    async def close(self) -> None:
        """End all requests and give the model's memory back. Safe to call twice."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for generation in list(self._open.values()):
            generation.fail(NotLoadedError("the model has been unloaded; load it again"))
        await asyncio.to_thread(self._unload)

    def _unload(self) -> None:
        self._plugin.cleanup()  # waits for the step that is under way; the thread ends after it
        self._thread.join()
        self._grammar_threads.shutdown(wait=False)
        if self._hook_thread is not None:
            self._hook_thread.shutdown()

    def _check_alive(self) -> None:
        if self._closing is not None:
            raise NotLoadedError(f"{self.name} has been unloaded; load it again")
        if self._death is not None:
            raise self._dead_error()

    def _dead_error(self) -> EngineDeadError:
        error = EngineDeadError(
            f"the engine of {self.name} has ended: {type(self._death).__name__}: {self._death}. Load the model again"
        )
        error.__cause__ = self._death
        return error

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            self._open.clear()  # a loop that has ended left its requests behind, which are cancelled already
            self._loop = loop

    # Hooks.

    async def _in_hook_thread(self, call: Callable[[], T], undo: Callable[[], object] = lambda: None) -> T:
        """Let hooks run where they hold nobody up; ``undo`` follows if the caller is cancelled meanwhile."""
        if self._hook_thread is None:
            return call()
        job = asyncio.get_running_loop().run_in_executor(self._hook_thread, call)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            self._hook_thread.submit(undo)
            raise

    def _end(
        self, served: ServedGeneration, reason: FinishReason, then: Callable[[BaseException | None], None]
    ) -> None:
        """Forget a generation and tell the hooks; ``then`` hears what they raised, once they have been told."""
        self._open.pop(served.request, None)

        def tell() -> None:
            served.text.tell_end(reason)

        if self._hook_thread is None:
            then(_error_of(tell))
            return
        assert self._loop is not None
        job = self._loop.run_in_executor(self._hook_thread, _error_of, tell)
        job.add_done_callback(lambda done: then(done.result()))

    # The engine's thread.

    def _run(self) -> None:
        engine = self._engine
        try:
            while engine.wait_for_work():
                requests = engine.step()
                if requests:
                    self._post(self._deliver, [_news_of(request) for request in requests])
        except BaseException as error:  # whatever it is: those who wait must hear of it
            logger.exception("the engine of %s has ended", self.name)
            self._death = error
            self._post(self._bury)

    def _post(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the event loop is closed: nobody reads any more
            for generation in list(self._open.values()):
                generation.cancel()
                _error_of(functools.partial(generation.text.tell_end, "cancelled"))

    # Called in the event loop.

    def _deliver(self, news: News) -> None:
        for request, events, reason, error in news:
            generation = self._open.get(request)
            if generation is not None:
                generation.receive(events, reason, error)

    def _bury(self) -> None:
        for generation in list(self._open.values()):
            generation.fail(self._dead_error())


async def _run_where(is_quick: bool, call: Callable[[], T]) -> T:
    return call() if is_quick else await asyncio.to_thread(call)


def _news_of(
    request: Request,
) -> tuple[Request, list[TokenEvent], FinishReason | None, InferencePioError | None]:
    # In this order: the last token is there before the reason is.
    reason, error = request.finish_reason, request.error
    events = [request.events.popleft() for _ in range(len(request.events))]
    return request, events, reason, error


def _error_of(call: Callable[[], None]) -> BaseException | None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001 -- handed to the one request that it belongs to
        return error
    return None


def _with_joined_text(message: Message) -> Message:
    """Return a message whose content is a text, if it is a list of nothing but texts."""
    content = message.get("content")
    if not isinstance(content, (list, tuple)):
        return message
    texts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
    if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
        return message
    return {**message, "content": "".join(map(str, texts))}
