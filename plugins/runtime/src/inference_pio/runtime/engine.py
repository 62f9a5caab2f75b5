"""The engine: runs requests through scheduler, executor and samplers, and hands out tokens as they come.

Requests that are consumed side by side are computed side by side: whoever asks for its next token drives a step for all.
Numpy only; knows neither torch nor text.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence as SequenceOf
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import CacheFullError, ContextLengthError, EmptyPromptError
from inference_pio.generation import FinishReason, SamplingOptions, TokenLogprob

from .batch import TokenBatch
from .sampling import Sampler
from .scheduler import PREFILL_TOKENS, Scheduler, Sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_pio.hookspecs import LogitsProcessor

    from .executor import Executor


@dataclass(frozen=True)
class TokenEvent:
    """One generated token.

    Attributes:
        token_id: The token.
        logprob: Its log-probability, if asked for.
        finish_reason: Set when it is the last one.
    """

    token_id: int
    logprob: TokenLogprob | None
    finish_reason: FinishReason | None


@dataclass(eq=False)
class Request:
    """A sequence with its sampler and its limits; made by ``Engine.submit``."""

    sequence: Sequence
    sampler: Sampler
    max_new_tokens: int
    stop_ids: frozenset[int]
    events: deque[TokenEvent] = field(default_factory=deque)
    finish_reason: FinishReason | None = None


class Engine:
    """Runs any number of requests on one executor; safe to use from several threads.

    Args:
        executor: Where logits come from.
        slots: Sequences that run at once; more wait.
        context: Places a sequence has, tokens; at most the executor's limit.
        step_tokens: Most tokens in one step.
    """

    def __init__(
        self, executor: Executor, *, slots: int = 64, context: int | None = None, step_tokens: int = PREFILL_TOKENS
    ) -> None:
        self.executor = executor
        self.context = min(context or executor.max_context, executor.max_context)
        executor.allocate(slots, self.context)
        self.scheduler = Scheduler(slots=slots, step_tokens=step_tokens)
        self._requests: dict[Sequence, Request] = {}
        self._lock = threading.RLock()

    def submit(
        self,
        prompt_ids: SequenceOf[int],
        options: SamplingOptions,
        *,
        eos_token_ids: SequenceOf[int] = (),
        processors: SequenceOf[LogitsProcessor] = (),
    ) -> Request:
        """Queue a request.

        Args:
            prompt_ids: The prompt, at least one token and less than the context.
            options: How to choose tokens; validated by the caller.
            eos_token_ids: The model's own end-of-text tokens.
            processors: Functions on the logits, in order.

        Raises:
            EmptyPromptError: No tokens.
            ContextLengthError: Prompt and one new token do not fit.
        """
        self.check_prompt(prompt_ids)
        room = self.context - len(prompt_ids)
        stops = set(options.stop_token_ids or ()) | (set() if options.ignore_eos else set(eos_token_ids))
        request = Request(
            sequence=Sequence(list(prompt_ids)),
            sampler=Sampler(options, prompt_ids, self.executor.vocab_size, processors),
            max_new_tokens=room if options.max_new_tokens is None else min(options.max_new_tokens, room),
            stop_ids=frozenset(stops),
        )
        with self._lock:
            self._requests[request.sequence] = request
            self.scheduler.add(request.sequence)
        return request

    def check_prompt(self, prompt_ids: SequenceOf[int]) -> None:
        """Raise ``EmptyPromptError`` or ``ContextLengthError`` when a prompt cannot be continued."""
        if not prompt_ids:
            raise EmptyPromptError("the prompt is empty: there is nothing to continue. Give at least one token of text")
        if len(prompt_ids) >= self.context:
            raise ContextLengthError(len(prompt_ids), self.context)

    def events(self, request: Request) -> Iterator[TokenEvent]:
        """Yield a request's tokens as they come. Closing the iterator cancels the request."""
        try:
            while True:
                while request.events:
                    yield request.events.popleft()
                if request.finish_reason:
                    return
                with self._lock:
                    if not request.events and not request.finish_reason:
                        self.step()
        finally:
            self.cancel(request)

    def step(self) -> None:
        """Compute one batch and sample the next token of every sequence that is due."""
        with self._lock:
            batch, due = self.scheduler.next_batch()
            try:
                logits = self.executor.step(batch)
                for sequence, row in zip(due, logits, strict=True):
                    self._take(self._requests[sequence], row)
            except BaseException:
                # A half-computed step leaves the caches in doubt: no request of it may go on as if nothing happened.
                for slot in np.unique(batch.slots):
                    self._abort(int(slot))
                raise

    def cancel(self, request: Request) -> None:
        """End a request now; does nothing when it has ended."""
        with self._lock:
            if request.finish_reason is None:
                self._finish(request, "cancelled")

    def logits(self, token_ids: SequenceOf[int], *, chunk: int = PREFILL_TOKENS) -> NDArray[np.float32]:
        """Compute the logits of every position of a text, (T, V) float32.

        Args:
            token_ids: The text, at most the context.
            chunk: Tokens a step.

        Raises:
            ContextLengthError: It does not fit the context.
            CacheFullError: Every slot is taken by a running request.
        """
        if len(token_ids) > self.context:
            raise ContextLengthError(len(token_ids), self.context)
        if not token_ids:
            raise EmptyPromptError("there are no tokens to compute logits of")
        with self._lock:
            # The slot is borrowed through a sequence that never becomes due, so that no request can be given it.
            holder = Sequence([])
            if self.scheduler.waiting or not self.scheduler.claim(holder):
                raise CacheFullError("every cache slot is taken; wait for a running request to end")
            try:
                rows = [
                    self.executor.step(
                        TokenBatch.of_sequence(list(token_ids[at : at + chunk]), start=at, slot=holder.slot)
                    )
                    for at in range(0, len(token_ids), chunk)
                ]
            finally:
                self.executor.free(holder.slot)
                self.scheduler.remove(holder)
        return np.concatenate(rows)

    def close(self) -> None:
        """Cancel what runs and give the executor's memory back."""
        with self._lock:
            for request in list(self._requests.values()):
                self.cancel(request)
            self.executor.close()

    def _take(self, request: Request, logits: NDArray[np.float32]) -> None:
        sampled = request.sampler.sample(logits)
        request.sequence.tokens.append(sampled.token_id)
        reason: FinishReason | None = None
        if sampled.token_id in request.stop_ids:
            reason = "stop"
        elif request.sequence.generated >= request.max_new_tokens:
            reason = "length"
        request.events.append(TokenEvent(sampled.token_id, sampled.logprob, reason))
        if reason:
            self._finish(request, reason)

    def _finish(self, request: Request, reason: FinishReason) -> None:
        request.finish_reason = reason
        self._requests.pop(request.sequence, None)
        if request.sequence.slot >= 0:
            self.executor.free(request.sequence.slot)
        self.scheduler.remove(request.sequence)

    def _abort(self, slot: int) -> None:
        for sequence in [s for s in self.scheduler.running if s.slot == slot]:
            if sequence in self._requests:
                self._finish(self._requests[sequence], "cancelled")
