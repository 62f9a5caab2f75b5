"""``Sampler``: one request's way from logits to tokens.

Order: logit bias, repetition penalty, presence and frequency penalties, logits processors, the constraint's mask (so
that nobody can give a forbidden token back), then either the argmax (temperature 0) or temperature, top-k, top-p, min-p
and the draw. It is the order of transformers (processors before warpers) and of vLLM; llama.cpp differs in that its
temperature comes last, after the filters.

The draw is an exponential race (what vLLM does; the Gumbel-max trick in other words): token i gets an Exp(1) number
that depends on (seed, draw, i) only, and the largest ``weight / number`` wins. One uniform number and the inverse of
the cumulative distribution would be cheaper, but noise in the last bits of any logit moves every later boundary of the
cumulative sum, and sorting it first lets near-ties swap whole intervals. In the race, noise matters only where the two
best scores nearly tie, and a token that noise moves across a filter's border changes nothing unless it is the winner.
So a batch and a single sequence draw the same tokens although their logits differ in the last bits.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference_pio.errors import HookError, InferencePioError, InvalidOptionError

from .draws import race_winner
from .logprobs import report_logprob
from .penalties import TokenCounts, penalize_occurrence, penalize_repetition
from .selection import largest, nucleus
from .validation import validate_sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inference_pio.generation import SamplingOptions, TokenLogprob
    from inference_pio.hookspecs import LogitsProcessor

    from .constraint import TokenConstraint

GREEDY_BELOW = 1e-5
"""Temperatures below this are greedy (vLLM's limit): they would only amplify the last bits of a float32 logit."""


@dataclass(frozen=True)
class SampledToken:
    """One chosen token.

    Attributes:
        token_id: The token.
        logprob: Its log-probability in the model's own distribution, if asked for.
    """

    token_id: int
    logprob: TokenLogprob | None = None


class Sampler:
    """Chooses the tokens of one sequence, and remembers what it chose.

    Args:
        options: What was asked for; a field that is ``None`` is neutral (greedy, no filter, no penalty).
        prompt_ids: The prompt's tokens.
        vocab_size: Width V of a row of logits.
        processors: Called in this order with all token ids so far and the logits.
        constraint: Rules out tokens after all of these, and is told of every token that was chosen.

    Raises:
        InvalidOptionError: An option is out of range, or a prompt token lies outside the vocabulary.
    """

    def __init__(
        self,
        options: SamplingOptions,
        prompt_ids: Sequence[int],
        vocab_size: int,
        processors: Sequence[LogitsProcessor] = (),
        constraint: TokenConstraint | None = None,
    ) -> None:
        validate_sampling(options, vocab_size)
        self._token_ids = [int(token_id) for token_id in prompt_ids]
        if self._token_ids and not 0 <= min(self._token_ids) <= max(self._token_ids) < vocab_size:
            worst = next(i for i in self._token_ids if not 0 <= i < vocab_size)
            raise InvalidOptionError(f"prompt token {worst} lies outside the vocabulary of {vocab_size} tokens")
        self.seed = secrets.randbits(63) if options.seed is None else int(options.seed)
        """Seed of the draws: the option, or a fresh one."""
        self._vocab_size = vocab_size
        self._processors = tuple(processors)
        self._constraint = constraint
        self._draws = 0
        self._temperature = options.temperature or 0.0
        self._top_k = options.top_k or 0
        self._top_p = 1.0 if options.top_p is None else options.top_p
        self._min_p = options.min_p or 0.0
        self._logprobs = options.logprobs
        self._repetition = 1.0 if options.repetition_penalty is None else options.repetition_penalty
        self._presence = options.presence_penalty or 0.0
        self._frequency = options.frequency_penalty or 0.0
        bias = options.logit_bias or {}
        self._bias_ids = np.fromiter(bias.keys(), np.int64, len(bias))
        self._bias_values = np.fromiter(bias.values(), np.float32, len(bias))
        self._seen = TokenCounts(self._token_ids if self._repetition != 1.0 else ())
        self._answer = TokenCounts()

    @property
    def is_done(self) -> bool:
        """Whether the constraint allows nothing more: the request ends with ``stop``, and its last token is text."""
        return self._constraint is not None and self._constraint.is_done

    def sample(self, logits: NDArray[np.float32]) -> SampledToken:
        """Choose the next token and count it.

        Args:
            logits: The model's logits, (V,) float32; may be overwritten.

        Raises:
            InferencePioError: A logit is NaN or infinite, or no token is left to choose from.
            HookError: A logits processor did not return (V,) logits.
        """
        if logits.shape != (self._vocab_size,):
            raise InferencePioError(
                f"expected a row of {self._vocab_size} logits, got an array of shape {logits.shape}"
            )
        raw = logits.copy() if self._logprobs is not None else None
        adjusted = self._adjust(logits)
        best = _checked_argmax(adjusted)
        token_id = best if self._temperature < GREEDY_BELOW else self._draw(adjusted, adjusted[best])
        logprob = None if raw is None else report_logprob(raw, token_id, self._logprobs or 0)
        # Last, for Ctrl-C: nothing is counted before the token is sure to be told.
        if self._constraint is not None:
            self._constraint.accept(token_id)
        self._draws += 1
        self._token_ids.append(token_id)
        self._seen.add(token_id)
        self._answer.add(token_id)
        return SampledToken(token_id, logprob)

    def _adjust(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply bias, penalties, processors and constraint; may change ``logits``."""
        if len(self._bias_ids):
            logits[self._bias_ids] += self._bias_values
        if self._repetition != 1.0:
            penalize_repetition(logits, self._seen, self._repetition)
        if self._presence or self._frequency:
            penalize_occurrence(logits, self._answer, self._presence, self._frequency)
        for process in self._processors:
            logits = _checked_row(process(self._token_ids, logits), self._vocab_size, process)
        if self._constraint is not None:
            if not logits.flags.writeable:  # a processor may answer with any array
                logits = logits.copy()
            self._constraint.mask(logits)
        return logits

    def _draw(self, logits: NDArray[np.float32], peak: np.float32) -> int:
        """Filter and draw; ``peak`` is the largest logit, finite."""
        ids = largest(logits, self._top_k) if 0 < self._top_k < self._vocab_size else None
        with np.errstate(over="ignore", under="ignore"):  # a hopeless token may have weight 0
            weights = (logits if ids is None else logits[ids]) - peak
            weights /= np.float32(self._temperature)
            np.exp(weights, out=weights)
        if self._top_p < 1.0:
            kept = nucleus(weights, self._top_p)
            ids, weights = kept if ids is None else ids[kept], weights[kept]
        if self._min_p:
            kept = np.flatnonzero(weights >= self._min_p * weights.max())
            ids, weights = kept if ids is None else ids[kept], weights[kept]
        place = race_winner(self.seed, self._draws, weights, ids) if len(weights) > 1 else 0
        return place if ids is None else int(ids[place])


def _checked_argmax(logits: NDArray[np.float32]) -> int:
    """Return the place of the largest logit, the lowest place among equals; numpy puts NaN before everything."""
    best = int(np.argmax(logits))
    peak = logits[best]
    if np.isfinite(peak):
        return best
    if peak == -np.inf:
        raise InferencePioError(
            "no token is left to choose from: bias, penalties, processors and constraint together ruled out all of them"
        )
    raise InferencePioError(
        f"the logit of token {best} is {peak}: the checkpoint is damaged or the computation overflowed. "
        "Try --dtype float32, and check the weights' checksum with pull."
    )


def _checked_row(answer: object, vocab_size: int, process: LogitsProcessor) -> NDArray[np.float32]:
    """Return a processor's answer as (V,) float32."""
    row = np.asarray(answer)
    if row.shape != (vocab_size,) or row.dtype.kind != "f":
        owner = getattr(process, "implementation", None)
        process = getattr(process, "function", process)
        name = getattr(process, "__qualname__", type(process).__name__)
        raise HookError(
            f"brings the logits processor {name}, which returned {type(answer).__name__} of shape {row.shape} and "
            f"dtype {row.dtype} where ({vocab_size},) float32 is due. It must return the logits it was given.",
            plugin=getattr(owner, "plugin", None),
            dist=getattr(owner, "dist", None),
        )
    return row.astype(np.float32, copy=False)
