"""The engine: runs requests through scheduler, executor and samplers, and hands out tokens as they come.

Requests that run at the same time are computed together. Whoever wants tokens drives the steps: a reader of a
``TokenStream`` one for all when there is nothing to read, or one thread by ``step`` in a loop. Numpy only; knows
neither torch nor text.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.errors import CacheFullError, NotLoadedError
from inference_pio.generation import SamplingOptions

from .batch import TokenBatch
from .cache_budget import CACHE_SHARE, PREFIX_SHARE, CacheBudget, share_of_memory
from .driver import Driver
from .executor import SavesCache
from .prefix_cache import PrefixCache
from .prompt_checks import check_token_ids
from .prompt_lookup import PromptLookup
from .request import Request, TokenStream
from .sampling import Sampler
from .scheduler import PREFILL_TOKENS, Scheduler
from .sequence import Sequence
from .turn import Turn
from .waiting import WaitingQueue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_pio.hookspecs import LogitsProcessor

    from .executor import Executor
    from .sampling import TokenConstraint

logger = logging.getLogger(__name__)

PROMPT_ROW_BYTES = 64 << 20
"""Bytes of logits of prompt tokens in one step, where a request wants their log-probabilities."""


class Engine:
    """Runs any number of requests on one executor; safe to use from several threads.

    An error belongs to the requests it touched: a failing executor ends those of its batch, a failing sampler or logits
    processor only its own, and whoever reads a request's events gets its error. All others go on.

    Args:
        executor: Where logits come from.
        slots: Sequences that run at once; more wait.
        context: Places a sequence has, tokens; at most the executor's limit.
        step_tokens: Most tokens in one step.
        cache_bytes: Bytes that keys and values of running requests may take; default: half of the memory that is free
            (``CACHE_SHARE``).
        prefix_cache_bytes: Bytes of computed beginnings of texts that are kept; default: a tenth of the memory that is
            free (``PREFIX_SHARE``); 0 for none.
        max_waiting: Requests that may wait beyond the free slots; default: any number.
        max_waiting_tokens: Tokens that waiting requests may have in all; default: any number. One that waits alone may
            have more.

    Raises:
        CacheFullError: Not even two tokens fit in ``cache_bytes``.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        slots: int = 64,
        context: int | None = None,
        step_tokens: int = PREFILL_TOKENS,
        cache_bytes: int | None = None,
        prefix_cache_bytes: int | None = None,
        max_waiting: int | None = None,
        max_waiting_tokens: int | None = None,
    ) -> None:
        self.executor = executor
        self.context = min(context or executor.max_context, executor.max_context)
        executor.allocate(slots, self.context)
        # Whoever has the turn may change everything below. Others only add: requests, waiting ones and cancelled ones.
        self._turn = Turn()
        limit = share_of_memory(CACHE_SHARE) if cache_bytes is None else cache_bytes
        self._budget = CacheBudget(executor.cache_bytes, limit, self.context)
        self._prefixes = _build_prefixes(executor, prefix_cache_bytes)
        self.scheduler = Scheduler(
            slots=slots,
            step_tokens=step_tokens,
            max_guesses=executor.max_rewind,
            prompt_rows=max(1, PROMPT_ROW_BYTES // (4 * executor.vocab_size)),
            budget=self._budget,
            prefixes=self._prefixes,
            free=executor.free,
            waiting=WaitingQueue(lock=self._turn.changed, most=max_waiting, most_tokens=max_waiting_tokens),
        )
        self._driver = Driver(executor, self.scheduler, self._prefixes)
        self._requests = self._driver.requests
        self._cancelled: deque[Request] = deque()
        self._prompt_tokens = 0
        self._is_closed = False
        self._has_warned = False

    def submit(
        self,
        prompt_ids: SequenceOf[int],
        options: SamplingOptions,
        *,
        eos_token_ids: SequenceOf[int] = (),
        processors: SequenceOf[LogitsProcessor] = (),
        constraint: TokenConstraint | None = None,
        cache_salt: str = "",
    ) -> Request:
        """Queue a request; does not wait for a step that is under way.

        Args:
            prompt_ids: The prompt, at least one token and less than the context; or as many, if no new one is wanted.
            options: How to choose tokens. 0 as ``max_new_tokens`` with ``prompt_logprobs`` gives these alone.
            eos_token_ids: The model's own end-of-text tokens.
            processors: Functions on the logits, in order.
            constraint: What the answer must look like; belongs to this request from now on.
            cache_salt: Only requests of one salt share computed prompts.

        Raises:
            EmptyPromptError: No tokens.
            ContextLengthError: Prompt and one new token do not fit.
            InvalidOptionError: An option is out of range, or a token is not in the vocabulary.
            CacheFullError: The prompt needs more memory than there is for all requests together.
            QueueFullError: As many requests wait as may wait.
            NotLoadedError: The engine has been closed.
        """
        places = 0 if options.max_new_tokens == 0 else 1
        known: list[int] = self._checked(prompt_ids, places).tolist()
        stops = set(options.stop_token_ids or ()) | (set() if options.ignore_eos else set(eos_token_ids))
        sampler = Sampler(options, known, self.executor.vocab_size, processors, constraint)
        room = self._budget.longest - len(known)
        if room < places:
            raise self._too_large_error(len(known) + places)
        length = room if options.max_new_tokens is None else min(options.max_new_tokens, room)
        end = len(known) + length
        request = Request(
            sequence=Sequence(
                known,
                self._lookup(known, end) if options.speculate else None,
                end=end,
                salt=cache_salt,
                prompt_logprobs=None if options.prompt_logprobs is None else [None],
            ),
            sampler=sampler,
            max_new_tokens=length,
            stop_ids=frozenset(stops),
            prompt_logprob_count=options.prompt_logprobs or 0,
            guessed=0 if options.speculate else None,
        )
        with self._turn.changed:
            if self._is_closed:
                raise _closed_error()
            self.scheduler.add(request.sequence)
            self._requests[request.sequence] = request
            self._prompt_tokens += len(known)
            self._turn.changed.notify_all()
        return request

    def _lookup(self, known: list[int], end: int) -> PromptLookup:
        if not self.executor.max_rewind and not self._has_warned:
            self._has_warned = True
            logger.warning("%s cannot take a token back, so nothing is guessed ahead", self.executor.name)
        return PromptLookup(known, vocab_size=self.executor.vocab_size, end=end)

    def events(self, request: Request) -> TokenStream:
        """Return a request's tokens as they come; closing or dropping the stream cancels the request."""
        request.is_streamed = True
        return TokenStream(request, self._advance, self.cancel)

    def step(self) -> list[Request]:
        """Compute one batch and choose the next token of every sequence that is due; without requests it does nothing.

        Returns:
            The requests that got tokens or ended since the last call, except for those that are read as streams and
            were served meanwhile.
        """
        with self._hold():
            self._step()
            with self._turn.changed:
                news, self._driver.news = list(self._driver.news), {}
            return news

    def wait_for_work(self) -> bool:
        """Wait until ``step`` has something to do or to tell; false once the engine is closed."""
        with self._turn.changed:
            while not (self._is_closed or self.scheduler.has_work or self._driver.news):
                self._turn.changed.wait()
            return not self._is_closed

    def figures(self) -> Mapping[str, float]:
        """Return what runs now and what was done so far; any thread may ask at any time.

        ``running`` and ``waiting`` requests, ``waiting_tokens``; ``steps``, and ``step_tokens`` computed in them;
        ``prompt_tokens`` asked for, of which ``cached_tokens`` were not computed; ``new_tokens``; ``preemptions``;
        bytes set aside for keys and values ``cache_bytes``, and kept of prompts ``prefix_cache_bytes``; ``is_alive``.
        """
        driver, scheduler = self._driver, self.scheduler
        return {
            "running": len(scheduler.running),
            "waiting": len(scheduler.waiting),
            "waiting_tokens": scheduler.waiting.tokens,
            "steps": driver.steps,
            "step_tokens": driver.step_tokens,
            "prompt_tokens": self._prompt_tokens,
            "cached_tokens": driver.cached_tokens,
            "new_tokens": driver.new_tokens,
            "preemptions": scheduler.preemptions,
            "cache_bytes": self._budget.used,
            "prefix_cache_bytes": self._prefixes.store.used if self._prefixes else 0,
            "is_alive": int(not self._is_closed),
        }

    def cancel(self, request: Request) -> None:
        """End a request now, or after the step that is under way; does nothing when it has ended. Never waits."""
        if request.finish_reason is not None:
            return
        with self._turn.changed:
            self._cancelled.append(request)
            if self._turn.is_free:
                self._remove_cancelled()
                self._turn.changed.notify_all()

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
            CacheFullError: Every slot is taken by a running request, or there is no memory for the text beside them.
            NotLoadedError: The engine has been closed.
        """
        known = self._checked(token_ids, 0)
        if len(known) > self._budget.longest:
            raise self._too_large_error(len(known))
        with self._hold():
            if self._is_closed:
                raise _closed_error()
            self._remove_cancelled()
            slot = self.scheduler.borrow_slot()
            if slot is None:
                raise CacheFullError("every cache slot is taken; wait for a running request to end")
            try:
                if not self._budget.has_room(self.scheduler.running, slot, len(known)):
                    raise CacheFullError(
                        f"there is no memory for keys and values of {len(known)} tokens beside the "
                        f"{len(self.scheduler.running)} running requests; wait for one of them to end"
                    )
                return self._logits(known, slot, chunk)
            finally:
                self.scheduler.return_slot(slot)

    def close(self) -> None:
        """End what runs and give the executor's memory back; whoever still reads a request gets ``NotLoadedError``."""
        with self._hold():
            with self._turn.changed:  # or a request that is being submitted would be neither refused nor ended
                self._is_closed = True
                requests = list(self._requests.values())
            for request in requests:
                self._driver.finish(request, "cancelled", _closed_error())
            if self._prefixes is not None:
                self._prefixes.clear()
            self.executor.close()

    def _hold(self, unless: Callable[[], bool] = lambda: False) -> AbstractContextManager[bool]:
        return self._turn.hold(unless, leave=self._remove_cancelled)

    def _checked(self, token_ids: SequenceOf[int] | NDArray[np.integer[Any]], new_tokens: int) -> NDArray[np.int64]:
        return check_token_ids(
            token_ids, vocab_size=self.executor.vocab_size, context=self.context, new_tokens=new_tokens
        )

    def _too_large_error(self, tokens: int) -> CacheFullError:
        return CacheFullError(
            f"keys and values of {tokens} tokens take {self.executor.cache_bytes([tokens])} bytes, and the budget is "
            f"{self._budget.limit}, enough for {self._budget.longest} tokens; shorten the prompt, or raise cache_bytes"
        )

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
                with self._turn.changed:  # readers of streams need no news; whoever drives by ``step`` does
                    self._driver.news = {told: None for told in self._driver.news if not told.is_streamed}
                    if self._driver.news:
                        self._turn.changed.notify_all()

    # From here on the caller has the turn.

    def _step(self) -> None:
        self._remove_cancelled()
        if self._is_closed:
            return
        try:
            self._driver.step()
        except BaseException:  # Ctrl-C in one thread ends no other thread's requests
            with self._turn.changed:  # nobody must be half submitted
                self._driver.rewind()
            raise

    def _remove_cancelled(self) -> None:
        while self._cancelled:
            self._driver.finish(self._cancelled.popleft(), "cancelled")


def _build_prefixes(executor: Executor, limit: int | None) -> PrefixCache | None:
    """Return a prefix cache, if there is memory for one and the executor can save and restore."""
    if limit is None:
        limit = share_of_memory(PREFIX_SHARE) or 0
    return PrefixCache(executor, limit, free=executor.free) if limit > 0 and isinstance(executor, SavesCache) else None


def _closed_error() -> NotLoadedError:
    return NotLoadedError("the model has been unloaded; load it again")
