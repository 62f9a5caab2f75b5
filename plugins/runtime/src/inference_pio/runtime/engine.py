"""The engine: runs requests through scheduler, executor and samplers, and hands out tokens as they come.

Requests that are consumed side by side are computed side by side: whoever asks for its next token drives a step for
all. Numpy only; knows neither torch nor text.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.errors import (
    CacheFullError,
    ContextLengthError,
    EmptyPromptError,
    InferencePioError,
    InvalidOptionError,
    NotLoadedError,
)
from inference_pio.generation import FinishReason, SamplingOptions

from .batch import TokenBatch
from .prompt_lookup import PromptLookup
from .request import Request, TokenEvent, TokenStream
from .sampling import Sampler
from .scheduler import PREFILL_TOKENS, Scheduler, Sequence
from .turn import Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_pio.hookspecs import LogitsProcessor

    from .executor import Executor

logger = logging.getLogger(__name__)

_WHAT_IDS_ARE = "a sequence of token ids is a plain sequence of whole numbers"


class Engine:
    """Runs any number of requests on one executor; safe to use from several threads.

    An error belongs to the requests it touched: a failing executor ends those of its batch, a failing sampler or logits
    processor only its own, and whoever reads a request's events gets its error. All others go on.

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
        self.scheduler = Scheduler(slots=slots, step_tokens=step_tokens, max_guesses=executor.max_rewind)
        # Whoever has the turn may change everything below. Others only add: requests, waiting ones and cancelled ones.
        self._turn = Turn()
        self._requests: dict[Sequence, Request] = {}
        self._cancelled: deque[Request] = deque()
        self._is_closed = False
        self._has_warned = False

    def submit(
        self,
        prompt_ids: SequenceOf[int],
        options: SamplingOptions,
        *,
        eos_token_ids: SequenceOf[int] = (),
        processors: SequenceOf[LogitsProcessor] = (),
    ) -> Request:
        """Queue a request; does not wait for a step that is under way.

        Args:
            prompt_ids: The prompt, at least one token and less than the context.
            options: How to choose tokens.
            eos_token_ids: The model's own end-of-text tokens.
            processors: Functions on the logits, in order.

        Raises:
            EmptyPromptError: No tokens.
            ContextLengthError: Prompt and one new token do not fit.
            InvalidOptionError: An option is out of range, or a token is not in the vocabulary.
            NotLoadedError: The engine has been closed.
        """
        known = self.check_prompt(prompt_ids)
        room = self.context - len(known)
        stops = set(options.stop_token_ids or ()) | (set() if options.ignore_eos else set(eos_token_ids))
        sampler = Sampler(options, known, self.executor.vocab_size, processors)
        length = room if options.max_new_tokens is None else min(options.max_new_tokens, room)
        request = Request(
            sequence=Sequence(known, self._lookup(known, len(known) + length) if options.speculate else None),
            sampler=sampler,
            max_new_tokens=length,
            stop_ids=frozenset(stops),
            guessed=0 if options.speculate else None,
        )
        with self._turn.changed:
            if self._is_closed:
                raise _closed_error()
            self._requests[request.sequence] = request
            self.scheduler.add(request.sequence)
        return request

    def _lookup(self, known: list[int], end: int) -> PromptLookup:
        if not self.executor.max_rewind and not self._has_warned:
            self._has_warned = True
            logger.warning("%s cannot take a token back, so nothing is guessed ahead", self.executor.name)
        return PromptLookup(known, vocab_size=self.executor.vocab_size, end=end)

    def check_prompt(self, prompt_ids: SequenceOf[int]) -> list[int]:
        """Check that a prompt can be continued, and return its tokens.

        Raises:
            EmptyPromptError: No tokens.
            ContextLengthError: Prompt and one new token do not fit.
            InvalidOptionError: A token is not in the vocabulary.
        """
        if len(prompt_ids) == 0:
            raise EmptyPromptError("the prompt is empty: there is nothing to continue. Give at least one token of text")
        if len(prompt_ids) >= self.context:
            raise ContextLengthError(len(prompt_ids), self.context)
        known: list[int] = self._checked_tokens(prompt_ids).tolist()
        return known

    def events(self, request: Request) -> TokenStream:
        """Return a request's tokens as they come; closing or dropping the stream cancels the request."""
        return TokenStream(request, self._advance, self.cancel)

    def step(self) -> None:
        """Compute one batch and sample the next token of every sequence that is due; does nothing without requests."""
        with self._hold():
            self._step()

    def cancel(self, request: Request) -> None:
        """End a request now, or after the step that is under way; does nothing when it has ended. Never waits."""
        if request.finish_reason is not None:
            return
        with self._turn.changed:
            self._cancelled.append(request)
            if self._turn.is_free:
                self._remove_cancelled()

    def logits(
        self, token_ids: SequenceOf[int] | NDArray[np.integer[Any]], *, chunk: int = PREFILL_TOKENS
    ) -> NDArray[np.float32]:
        """Compute the logits of every position of a text, (T, V) float32; running requests wait meanwhile.

        Args:
            token_ids: The text, at most the context.
            chunk: Tokens a step.

        Raises:
            EmptyPromptError: No tokens.
            ContextLengthError: It does not fit the context.
            InvalidOptionError: A token is not in the vocabulary.
            CacheFullError: Every slot is taken by a running request.
            NotLoadedError: The engine has been closed.
        """
        if len(token_ids) == 0:
            raise EmptyPromptError("there are no tokens to compute logits of")
        if len(token_ids) > self.context:
            raise ContextLengthError(len(token_ids), self.context)
        known = self._checked_tokens(token_ids)
        with self._hold():
            if self._is_closed:
                raise _closed_error()
            self._remove_cancelled()
            # The slot is borrowed through a sequence that never becomes due, so that no request can be given it.
            holder = Sequence([])
            if not self.scheduler.claim(holder):
                raise CacheFullError("every cache slot is taken; wait for a running request to end")
            try:
                return self._logits(known, holder.slot, chunk)
            finally:
                self._give_back(holder)

    def close(self) -> None:
        """End what runs and give the executor's memory back; whoever still reads a request gets ``NotLoadedError``."""
        with self._hold():
            with self._turn.changed:  # or a request that is being submitted would be neither refused nor ended
                self._is_closed = True
                requests = list(self._requests.values())
            for request in requests:
                self._finish(request, "cancelled", _closed_error())
            self.executor.close()

    def _hold(self, unless: Callable[[], bool] = lambda: False) -> AbstractContextManager[bool]:
        return self._turn.hold(unless, leave=self._remove_cancelled)

    def _checked_tokens(self, token_ids: SequenceOf[int] | NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        try:
            known = np.asarray(token_ids)
        except ValueError as error:  # rows of different lengths
            raise InvalidOptionError(f"{_WHAT_IDS_ARE}: {error}") from error
        if known.ndim != 1 or known.dtype.kind not in "iu":
            raise InvalidOptionError(f"{_WHAT_IDS_ARE}, not {known.dtype} of shape {known.shape}")
        lowest, highest = known.min(), known.max()
        if lowest < 0 or highest >= self.executor.vocab_size:
            wrong = lowest if lowest < 0 else highest
            raise InvalidOptionError(
                f"token {wrong} lies outside the vocabulary: ids go from 0 to {self.executor.vocab_size - 1}"
            )
        return known.astype(np.int64)

    def _logits(self, token_ids: NDArray[np.int64], slot: int, chunk: int) -> NDArray[np.float32]:
        logits = np.empty((len(token_ids), self.executor.vocab_size), np.float32)
        for at in range(0, len(token_ids), chunk):
            batch = TokenBatch.of_sequence(token_ids[at : at + chunk], start=at, slot=slot)
            logits[at : at + chunk] = self.executor.step(batch)
        return logits

    def _advance(self, request: Request) -> None:
        with self._hold(unless=request.has_news) as has_turn:
            if has_turn:
                self._step()

    # From here on the caller has the turn.

    def _step(self) -> None:
        self._remove_cancelled()
        if self._is_closed or not self.scheduler.has_work:
            return
        try:
            batch, due = self.scheduler.next_batch()
            try:
                logits = self.executor.step(batch)
                if len(logits) != len(batch.logit_rows):
                    raise InferencePioError(
                        f"{self.executor.name} gave {len(logits)} rows of logits for {len(batch.logit_rows)}"
                    )
            except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait for the batch must hear of it
                self._fail(batch, error)
            else:
                rows = iter(logits)
                for sequence in due:
                    guesses = sequence.guesses
                    self._take(self._requests[sequence], guesses, [next(rows) for _ in range(1 + len(guesses))])
        except BaseException:
            self._rewind()
            raise

    def _take(self, request: Request, guesses: SequenceOf[int], rows: SequenceOf[NDArray[np.float32]]) -> None:
        """Choose a token after the last known one, and go on as long as it is the one that was guessed.

        Samplers and processors see what they would see without guesses: a row that follows a wrong guess is never used.
        """
        if guesses and request.guessed is not None:
            request.guessed += len(guesses)
        for place, row in enumerate(rows):
            self._choose(request, row, is_gained=place > 0)
            is_right = place < len(guesses) and request.sequence.tokens[-1] == guesses[place]
            if request.finish_reason is not None or not is_right:
                break
            request.sequence.computed += 1

    def _choose(self, request: Request, logits: NDArray[np.float32], *, is_gained: bool) -> None:
        try:
            sampled = request.sampler.sample(logits)
        except InferencePioError as error:
            self._finish(request, "cancelled", error)
            return
        except Exception as error:  # noqa: BLE001 -- a logits processor is anybody's code; the other requests go on
            self._finish(request, "cancelled", _named("choosing a token failed", error))
            return
        request.sequence.tokens.append(sampled.token_id)
        reason: FinishReason | None = None
        if sampled.token_id in request.stop_ids:
            reason = "stop"
        elif request.sequence.generated >= request.max_new_tokens:
            reason = "length"
        event = TokenEvent(sampled.token_id, sampled.logprob, reason, time.perf_counter(), is_gained)
        request.events.append(event)
        if reason:
            self._finish(request, reason)

    def _fail(self, batch: TokenBatch, error: Exception) -> None:
        """End the requests of a batch: a half-computed step leaves their caches in doubt."""
        logger.debug("%s failed", self.executor.name, exc_info=error)
        for sequence in self._members(batch):
            reason = error if isinstance(error, InferencePioError) else _named(f"{self.executor.name} failed", error)
            self._finish(self._requests[sequence], "cancelled", reason)

    def _rewind(self) -> None:
        """Let all sequences be computed anew: Ctrl-C in one thread ends no other thread's requests.

        All, not only those of the step: it may have come before it was known which they are.
        """
        for sequence in self.scheduler.running:
            self.executor.free(sequence.slot)
            sequence.computed = 0

    def _members(self, batch: TokenBatch) -> list[Sequence]:
        slots = set(batch.slots.tolist())
        return [sequence for sequence in self.scheduler.running if sequence.slot in slots]

    def _remove_cancelled(self) -> None:
        while self._cancelled:
            request = self._cancelled.popleft()
            if request.finish_reason is None:
                self._finish(request, "cancelled")

    def _finish(self, request: Request, reason: FinishReason, error: InferencePioError | None = None) -> None:
        self._requests.pop(request.sequence, None)
        request.error = error
        request.finish_reason = reason  # after the rest: from now on a reader in another thread takes it as ended
        self._give_back(request.sequence)

    def _give_back(self, sequence: Sequence) -> None:
        slot = sequence.slot
        self.scheduler.remove(sequence)
        if slot >= 0:
            self.executor.free(slot)


def _named(what: str, error: Exception) -> InferencePioError:
    """Return an error of ours that tells of a foreign one."""
    named = InferencePioError(
        f"{what}: {type(error).__name__}: {error}. Ask again; --debug shows the traceback. If memory ran out: a "
        "smaller --context or fewer requests at once"
    )
    named.__cause__ = error
    return named


def _closed_error() -> NotLoadedError:
    return NotLoadedError("the model has been unloaded; load it again")
