"""``Driver``: one step of all requests, from the scheduler's batch to the tokens that samplers choose.

Not safe to use from several threads: ``Engine`` gives one thread at a time the turn.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import CacheFullError, InferencePioError

from .request import Request, TokenEvent
from .sampling.logprobs import report_logprob

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_pio.generation import FinishReason

    from .batch import TokenBatch
    from .executor import Executor
    from .prefix_cache import PrefixCache
    from .scheduler import Scheduler
    from .sequence import Sequence

logger = logging.getLogger(__name__)


class Driver:
    """Takes steps.

    An error belongs to the requests it touched: a failing executor ends those of its batch, a failing sampler or logits
    processor only its own. All others go on.

    Args:
        executor: Computes.
        scheduler: Says what.
        prefixes: Keeps what was computed, if anything does.
    """

    def __init__(self, executor: Executor, scheduler: Scheduler, prefixes: PrefixCache | None) -> None:
        self.executor, self.scheduler, self.prefixes = executor, scheduler, prefixes
        self.requests: dict[Sequence, Request] = {}
        """Those that have not ended."""
        self.news: dict[Request, None] = {}
        """Requests that got tokens or ended since somebody asked, in order."""
        self.steps = self.step_tokens = self.new_tokens = self.cached_tokens = 0

    def step(self) -> None:
        """Compute one batch and choose the next token of every sequence that is due; does nothing without requests.

        A batch that the executor has no memory for is put together again without the sequence that arrived last, so
        that the others do not wait.
        """
        while self.scheduler.has_work:
            batch, due = self.scheduler.next_batch()
            try:
                logits = self.executor.step(batch)
                if len(logits) != len(batch.logit_rows):
                    raise InferencePioError(
                        f"{self.executor.name} gave {len(logits)} rows of logits for {len(batch.logit_rows)}"
                    )
            except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait for the batch must hear of it
                if isinstance(error, CacheFullError) and self.scheduler.give_way():
                    continue
                self._fail(batch, error)
            else:
                self.steps += 1
                self.step_tokens += len(batch.tokens)
                self._keep()
                self._read(due, logits)
            return

    def finish(self, request: Request, reason: FinishReason, error: InferencePioError | None = None) -> None:
        """End a request and give its slot back; the first reason counts."""
        if request.finish_reason is None:
            self.scheduler.remove(request.sequence)
            self.news[request] = None
            request.error = error
            request.finish_reason = reason  # after the rest: from now on a reader in another thread takes it as ended
        self.requests.pop(request.sequence, None)

    def rewind(self) -> None:
        """Let all that runs be computed anew after an interruption, and end what it has torn apart."""
        self.scheduler.rewind()
        scheduled = {*self.scheduler.running, *self.scheduler.waiting}
        for sequence in scheduled - set(self.requests):
            self.scheduler.remove(sequence)
        for request in [request for sequence, request in self.requests.items() if sequence not in scheduled]:
            self.finish(request, "cancelled")

    def _keep(self) -> None:
        """Save what has been computed, before anybody ends and leaves the slot."""
        if self.prefixes is not None:
            for sequence in self.scheduler.running:
                self.prefixes.keep(sequence)

    def _read(self, due: list[Sequence], logits: NDArray[np.float32]) -> None:
        rows = iter(logits)
        for sequence in due:
            request = self.requests[sequence]
            asked = [next(rows) for _ in range(sequence.prompt_rows)]
            guesses: SequenceOf[int] = sequence.guesses
            is_last = sequence.computed == len(sequence.tokens)
            chosen = [next(rows) for _ in range(1 + len(guesses))] if is_last else []
            for row in asked:
                self._report(request, row)
            if is_last and request.finish_reason is None:
                if request.max_new_tokens:
                    self._take(request, guesses, chosen)
                else:
                    self.finish(request, "length")

    def _report(self, request: Request, row: NDArray[np.float32]) -> None:
        """Note what the model thought of the prompt's next token."""
        sequence = request.sequence
        if request.finish_reason is not None or sequence.prompt_logprobs is None:
            return
        token = sequence.tokens[len(sequence.prompt_logprobs)]
        with np.errstate(all="ignore"):  # what is wrong with the row is said below
            logprob = report_logprob(row, token, request.prompt_logprob_count)
        if np.isnan(logprob.logprob):
            self.finish(
                request,
                "cancelled",
                InferencePioError(
                    "a logit of the prompt is NaN or infinite: the checkpoint is damaged or the computation "
                    "overflowed. Try --dtype float32, and check the weights' checksum with pull."
                ),
            )
            return
        sequence.prompt_logprobs.append(logprob)

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
            self.finish(request, "cancelled", error)
            return
        except Exception as error:  # noqa: BLE001 -- a logits processor is anybody's code; the other requests go on
            self.finish(request, "cancelled", _named("choosing a token failed", error))
            return
        sequence = request.sequence
        if not sequence.generated:
            self.cached_tokens += sequence.cached_tokens
        sequence.tokens.append(sampled.token_id)
        self.new_tokens += 1
        reason: FinishReason | None = None
        if sampled.token_id in request.stop_ids or request.sampler.is_done:
            reason = "stop"
        elif sequence.generated >= request.max_new_tokens:
            reason = "length"
        event = TokenEvent(sampled.token_id, sampled.logprob, reason, time.perf_counter(), is_gained)
        request.events.append(event)
        self.news[request] = None
        if reason:
            self.finish(request, reason)

    def _fail(self, batch: TokenBatch, error: Exception) -> None:
        """End the requests of a batch: a half-computed step leaves their caches in doubt."""
        logger.debug("%s failed", self.executor.name, exc_info=error)
        slots = set(batch.slots.tolist())
        for sequence in [sequence for sequence in self.scheduler.running if sequence.slot in slots]:
            reason = error if isinstance(error, InferencePioError) else _named(f"{self.executor.name} failed", error)
            self.finish(self.requests[sequence], "cancelled", reason)


def _named(what: str, error: Exception) -> InferencePioError:
    """Return an error of ours that tells of a foreign one."""
    named = InferencePioError(
        f"{what}: {type(error).__name__}: {error}. Ask again; --debug shows the traceback. If memory ran out: a "
        "smaller --context or fewer requests at once"
    )
    named.__cause__ = error
    return named
