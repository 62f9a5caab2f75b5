"""One request to the engine: its tokens, its sampler, its limits, and the stream of what comes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from inference_pio.errors import InferencePioError
from inference_pio.generation import FinishReason, TokenLogprob

from .sampling import Sampler
from .sequence import Sequence


@dataclass(frozen=True)
class TokenEvent:
    """One generated token.

    Attributes:
        token_id: The token.
        logprob: Its log-probability, if asked for.
        finish_reason: Set when it is the last one.
        time_s: When it was chosen, on the clock of ``time.perf_counter``; a slow reader sees it later.
        is_gained: Whether it took no step of its own: it came with the token before, which had been guessed.
    """

    token_id: int
    logprob: TokenLogprob | None
    finish_reason: FinishReason | None
    time_s: float
    is_gained: bool = False


@dataclass(eq=False)
class Request:
    """A sequence with its sampler and its limits; made by ``Engine.submit``.

    Attributes:
        sequence: Its tokens.
        sampler: Chooses them.
        max_new_tokens: Tokens to generate at most; 0 where only the prompt's logprobs are wanted.
        stop_ids: Tokens that end it.
        events: Tokens that nobody has read yet.
        prompt_logprob_count: How many of the likeliest tokens to report for each token of the prompt.
        guessed: How many tokens were guessed so far; ``None`` where that was not asked for.
        is_streamed: Whether somebody reads it through a ``TokenStream``, and so needs no other news of it.
        finish_reason: Set when it has ended.
        error: Why it ended, if something failed; raised to whoever reads its stream.
    """

    sequence: Sequence
    sampler: Sampler
    max_new_tokens: int
    stop_ids: frozenset[int]
    events: deque[TokenEvent] = field(default_factory=deque)
    prompt_logprob_count: int = 0
    guessed: int | None = None
    is_streamed: bool = False
    finish_reason: FinishReason | None = None
    error: InferencePioError | None = None

    @property
    def prompt_logprobs(self) -> list[TokenLogprob | None]:
        """One entry a token of the prompt, if asked for, ``None`` for the first; complete before the first event."""
        return self.sequence.prompt_logprobs or []

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that were not computed, because an earlier prompt began in the same way."""
        return self.sequence.cached_tokens

    def has_news(self) -> bool:
        """Whether there is something to read, or nothing will come any more."""
        return bool(self.events) or self.finish_reason is not None


class TokenStream(Iterator[TokenEvent]):
    """A request's tokens as they come.

    Closing or dropping it cancels the request, also when nobody has ever asked for a token: a generator would not.

    Args:
        request: What is read.
        advance: Computes, or waits, until there may be news.
        cancel: Ends the request; does nothing when it has ended.
    """

    def __init__(self, request: Request, advance: Callable[[Request], None], cancel: Callable[[Request], None]) -> None:
        self._request, self._advance, self._cancel = request, advance, cancel

    def __next__(self) -> TokenEvent:
        """Return the next token.

        Raises:
            InferencePioError: What ended the request, after the tokens that were generated before.
        """
        request = self._request
        try:
            while not request.events:
                # In this order: the last token is there before the reason is.
                if request.finish_reason is not None and not request.events:
                    raise request.error or StopIteration
                self._advance(request)
        except BaseException:
            self.close()
            raise
        return request.events.popleft()

    def close(self) -> None:
        """Cancel the request."""
        self._cancel(self._request)

    def __del__(self) -> None:
        self.close()
