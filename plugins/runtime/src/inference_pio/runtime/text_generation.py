"""From a prompt's tokens to pieces of text: one generation, with its detokenizer, its stop texts and its hooks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from inference_pio.generation import Chunk, Completion, FinishReason, GenerationStats, TokenLogprob

from .tokenizers import StopMatcher

if TYPE_CHECKING:
    from inference_pio.generation import GenerationRequest
    from inference_pio.hooks import HookCaller
    from inference_pio.hookspecs import LogitsProcessor

    from .engine import Engine
    from .request import Request, TokenEvent
    from .sampling import TokenConstraint
    from .tokenizers import Tokenizer


class TextGeneration:
    """One generation: what its tokens mean as text, and who is told of it.

    Two ways to read it. ``chunks`` drives the engine and waits. Whoever has the engine driven by a thread calls
    ``tell_start``, ``submit``, then ``take`` with each event, ``last`` if the request ended without a last event, and
    ``tell_end``.

    Args:
        engine: Computes the tokens.
        tokenizer: Turns them into text.
        hooks: Told before and after; may contribute logits processors.
        request: Prompt and options, validated.
        eos_token_ids: The model's own end-of-text tokens.
        constraint: What the answer must look like; belongs to this generation from now on.
        cache_salt: Only requests of one salt share computed prompts.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        hooks: HookCaller,
        request: GenerationRequest,
        eos_token_ids: Sequence[int],
        *,
        constraint: TokenConstraint | None = None,
        cache_salt: str = "",
    ) -> None:
        self.engine, self.hooks, self.request = engine, hooks, request
        self.eos_token_ids = tuple(eos_token_ids)
        self._constraint, self._cache_salt = constraint, cache_salt
        self._detokenizer = tokenizer.stream()
        stops = request.options.stop or ()
        self._matcher = StopMatcher([stops] if isinstance(stops, str) else list(stops))
        self._queued: Request | None = None
        self._is_begun = self._is_told = False
        self._started = time.perf_counter()
        self._first_token_s = self._total_s = 0.0
        self._accepted = 0
        self._text: list[str] = []
        self._token_ids: list[int] = []
        self._logprobs: list[TokenLogprob] = []

    def tell_start(self) -> Sequence[LogitsProcessor]:
        """Tell the hooks that the generation starts, and return their logits processors."""
        self._started = time.perf_counter()
        self._is_begun = True
        try:
            self.hooks.before_generation(self.request)
            return self.hooks.logits_processors(self.request)
        except BaseException:
            self.tell_end("cancelled")
            raise

    def submit(self, processors: Sequence[LogitsProcessor]) -> Request:
        """Queue the request; the hooks have heard of it."""
        try:
            self._queued = self.engine.submit(
                self.request.prompt_ids,
                self.request.options,
                eos_token_ids=self.eos_token_ids,
                processors=processors,
                constraint=self._constraint,
                cache_salt=self._cache_salt,
            )
        except BaseException:
            self.tell_end("cancelled")
            raise
        return self._queued

    def start(self) -> None:
        """Tell the hooks and queue the request; ``chunks`` does it when nobody else did."""
        self.submit(self.tell_start())

    def chunks(self) -> Iterator[Chunk]:
        """Yield the answer piece by piece; the last chunk has ``finish_reason`` and ``stats``.

        Raises:
            InferencePioError: The computation failed, or the model was unloaded meanwhile.
        """
        if self._queued is None:
            self.start()
        assert self._queued is not None
        reason: FinishReason | None = None
        events = self.engine.events(self._queued)
        try:
            for event in events:
                chunk = self.take(event)
                reason = chunk.finish_reason
                if reason:
                    break
                yield chunk
            else:  # somebody else cancelled the request, or no token was wanted
                reason = self._queued.finish_reason or "cancelled"
                chunk = self.last(reason)
        finally:
            events.close()
            self.tell_end(reason or "cancelled")
        yield chunk

    def cancel(self) -> None:
        """End the generation if it was started; nothing happens when it has ended."""
        if self._queued is not None:
            self.engine.cancel(self._queued)
            self.tell_end("cancelled")

    def completion(self, reason: FinishReason) -> Completion:
        """Return what has been generated so far as a whole answer."""
        return Completion(
            text="".join(self._text),
            token_ids=tuple(self._token_ids),
            finish_reason=reason,
            stats=self._stats(),
            logprobs=tuple(self._logprobs),
            prompt_logprobs=self._prompt_logprobs(),
        )

    def tell_end(self, reason: FinishReason) -> None:
        """Tell the hooks, once: whoever heard of the beginning hears of the end, however it came."""
        if self._is_begun and not self._is_told:
            self._is_told = True
            self.hooks.after_generation(self.request, self.completion(reason))

    def take(self, event: TokenEvent) -> Chunk:
        """Return what a token adds. With a ``finish_reason`` it is the last piece, even if the engine goes on."""
        assert self._queued is not None
        self._total_s = event.time_s - self._started
        is_first = not self._token_ids
        if is_first:
            self._first_token_s = self._total_s
        self._token_ids.append(event.token_id)
        self._accepted += event.is_gained
        logprobs = () if event.logprob is None else (event.logprob,)
        self._logprobs += logprobs
        # A constraint that is fulfilled ends the request, too, but then the last token has text.
        is_end_token = event.finish_reason == "stop" and event.token_id in self._queued.stop_ids
        text, stopped = self._matcher.push("" if is_end_token else self._detokenizer.push(event.token_id))
        if event.finish_reason and not stopped:
            text += self._rest()
            stopped = self._matcher.stopped  # a stop text may turn up in what was held back
        reason: FinishReason | None = "stop" if stopped else event.finish_reason
        self._text.append(text)
        return Chunk(
            text=text,
            token_ids=(event.token_id,),
            logprobs=logprobs,
            prompt_logprobs=self._prompt_logprobs() if is_first else (),
            finish_reason=reason,
            stats=self._stats() if reason else None,
        )

    def last(self, reason: FinishReason) -> Chunk:
        """Return the last piece of a request that ended without a last token: what was held back of the text."""
        self._text.append(self._rest())
        return Chunk(
            text=self._text[-1],
            prompt_logprobs=() if self._token_ids else self._prompt_logprobs(),
            finish_reason=reason,
            stats=self._stats(),
        )

    def _rest(self) -> str:
        """Return the text that was held back, now that no token follows."""
        tail, stopped = self._matcher.push(self._detokenizer.finish())
        return tail if stopped else tail + self._matcher.finish()

    def _prompt_logprobs(self) -> tuple[TokenLogprob | None, ...]:
        return () if self._queued is None else tuple(self._queued.prompt_logprobs)

    def _stats(self) -> GenerationStats:
        return GenerationStats(
            prompt_tokens=len(self.request.prompt_ids),
            new_tokens=len(self._token_ids),
            first_token_s=self._first_token_s,
            total_s=self._total_s,
            guessed_tokens=None if self._queued is None else self._queued.guessed,
            accepted_tokens=self._accepted,
            cached_tokens=0 if self._queued is None else self._queued.cached_tokens,
        )
