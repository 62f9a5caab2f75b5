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

    from .engine import Engine
    from .request import Request, TokenEvent
    from .tokenizers import Tokenizer


class TextGeneration:
    """One generation. ``start`` queues it, ``chunks`` runs it; closing the chunks cancels it.

    Args:
        engine: Computes the tokens.
        tokenizer: Turns them into text.
        hooks: Told before and after; may contribute logits processors.
        request: Prompt and options, validated.
        eos_token_ids: The model's own end-of-text tokens.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        hooks: HookCaller,
        request: GenerationRequest,
        eos_token_ids: Sequence[int],
    ) -> None:
        self.engine, self.hooks, self.request = engine, hooks, request
        self.eos_token_ids = tuple(eos_token_ids)
        self._detokenizer = tokenizer.stream()
        stops = request.options.stop or ()
        self._matcher = StopMatcher([stops] if isinstance(stops, str) else list(stops))
        self._queued: Request | None = None
        self._is_told = False
        self._started = time.perf_counter()
        self._first_token_s = self._total_s = 0.0
        self._accepted = 0
        self._text: list[str] = []
        self._token_ids: list[int] = []
        self._logprobs: list[TokenLogprob] = []

    def start(self) -> None:
        """Tell the hooks and queue the request; ``chunks`` does it when nobody else did."""
        self._started = time.perf_counter()
        self.hooks.before_generation(self.request)
        try:
            self._queued = self.engine.submit(
                self.request.prompt_ids,
                self.request.options,
                eos_token_ids=self.eos_token_ids,
                processors=self.hooks.logits_processors(self.request),
            )
        except BaseException:
            self._tell_end("cancelled")
            raise

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
                chunk = self._take(event)
                reason = chunk.finish_reason
                if reason:
                    break
                yield chunk
            else:  # somebody else cancelled the request
                reason = "cancelled"
                self._text.append(self._rest())
                chunk = Chunk(text=self._text[-1], finish_reason=reason, stats=self._stats())
        finally:
            events.close()
            self._tell_end(reason or "cancelled")
        yield chunk

    def cancel(self) -> None:
        """End the generation if it was started; nothing happens when it has ended."""
        if self._queued is not None:
            self.engine.cancel(self._queued)
            self._tell_end("cancelled")

    def completion(self, reason: FinishReason) -> Completion:
        """Return what has been generated so far as a whole answer."""
        return Completion(
            text="".join(self._text),
            token_ids=tuple(self._token_ids),
            finish_reason=reason,
            stats=self._stats(),
            logprobs=tuple(self._logprobs),
        )

    def _tell_end(self, reason: FinishReason) -> None:
        """Tell the hooks, once: whoever heard of the beginning hears of the end, however it came."""
        if not self._is_told:
            self._is_told = True
            self.hooks.after_generation(self.request, self.completion(reason))

    def _take(self, event: TokenEvent) -> Chunk:
        self._total_s = event.time_s - self._started
        if not self._token_ids:
            self._first_token_s = self._total_s
        self._token_ids.append(event.token_id)
        self._accepted += event.is_gained
        logprobs = () if event.logprob is None else (event.logprob,)
        self._logprobs += logprobs
        is_end_token = event.finish_reason == "stop"
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
            finish_reason=reason,
            stats=self._stats() if reason else None,
        )

    def _rest(self) -> str:
        """Return the text that was held back, now that no token follows."""
        tail, stopped = self._matcher.push(self._detokenizer.finish())
        return tail if stopped else tail + self._matcher.finish()

    def _stats(self) -> GenerationStats:
        return GenerationStats(
            prompt_tokens=len(self.request.prompt_ids),
            new_tokens=len(self._token_ids),
            first_token_s=self._first_token_s,
            total_s=self._total_s,
            guessed_tokens=None if self._queued is None else self._queued.guessed,
            accepted_tokens=self._accepted,
        )
