"""What values sampling options may have."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import Constraint

if TYPE_CHECKING:
    from inference_pio.generation import SamplingOptions


MAX_TEMPERATURE = 100.0
"""At which every token is about as likely as any other."""

MIN_REPETITION_PENALTY, MAX_REPETITION_PENALTY = 0.01, 100.0
MAX_PENALTY = 100.0
"""Most that a presence or frequency penalty may take or give."""

MAX_BIAS = 1e6
"""Far more than logits differ by; with the bounds above no finite logit of a model becomes infinite."""


def validate_sampling(options: SamplingOptions, vocab_size: int) -> None:
    """Check every option that is set. What passes makes no logit NaN or infinite, whatever else is set.

    Args:
        options: What was asked for; ``None`` passes.
        vocab_size: Token ids are below this.

    Raises:
        InvalidOptionError: Names the option, its value and its range.
    """
    # None at all is a question about the prompt only.
    _integer("max_new_tokens", options.max_new_tokens, lowest=1 if options.prompt_logprobs is None else 0)
    _integer("top_k", options.top_k, lowest=0)
    _integer("logprobs", options.logprobs, lowest=0, highest=vocab_size)
    _integer("prompt_logprobs", options.prompt_logprobs, lowest=0, highest=vocab_size)
    _integer("seed", options.seed)
    _between("temperature", options.temperature, 0, MAX_TEMPERATURE)
    _number("top_p", options.top_p, "a number above 0 and up to 1", lambda v: 0 < v <= 1)
    _between("min_p", options.min_p, 0, 1)
    _between("repetition_penalty", options.repetition_penalty, MIN_REPETITION_PENALTY, MAX_REPETITION_PENALTY)
    _between("presence_penalty", options.presence_penalty, -MAX_PENALTY, MAX_PENALTY)
    _between("frequency_penalty", options.frequency_penalty, -MAX_PENALTY, MAX_PENALTY)
    for name in ("ignore_eos", "speculate"):
        if not isinstance(getattr(options, name), bool):
            _refuse(name, getattr(options, name), "True or False")
    _check_stop(options.stop)
    _check_stop_token_ids(options.stop_token_ids, vocab_size)
    _check_logit_bias(options.logit_bias, vocab_size)
    _check_constraint(options.constraint)


def _refuse(name: str, value: Any, expected: str) -> NoReturn:
    # Python refuses to print integers of more than 4300 digits.
    is_huge = isinstance(value, int) and value.bit_length() > 10_000
    shown = f"a number of {value.bit_length()} bits" if is_huge else repr(value)
    raise InvalidOptionError(f"{name} = {shown if len(shown) < 80 else shown[:77] + '...'}: must be {expected}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond float's range: no option has use for it
        return False


def _integer(name: str, value: Any, *, lowest: int | None = None, highest: int | None = None) -> None:
    if value is None:
        return
    inside = _is_integer(value) and (lowest is None or value >= lowest) and (highest is None or value <= highest)
    if not inside:
        bounds = [f"at least {lowest}"] if lowest is not None else []
        bounds += [f"at most {highest}"] if highest is not None else []
        _refuse(name, value, "a whole number" + (" of " + " and ".join(bounds) if bounds else ""))


def _between(name: str, value: Any, lowest: float, highest: float) -> None:
    _number(name, value, f"a number from {lowest:g} to {highest:g}", lambda v: lowest <= v <= highest)


def _number(name: str, value: Any, expected: str, in_range: Any) -> None:
    if value is None:
        return
    if not _is_number(value) or not _is_finite(value) or not in_range(value):
        _refuse(name, value, expected + (", finite" if _is_number(value) and not _is_finite(value) else ""))


def _check_stop(stop: Any) -> None:
    if stop is None:
        return
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, Sequence) or isinstance(texts, bytes) or not all(isinstance(t, str) and t for t in texts):
        _refuse("stop", stop, "a text or a list of texts, none of them empty")


def _check_stop_token_ids(ids: Any, vocab_size: int) -> None:
    if ids is None:
        return
    expected = f"a list of token ids from 0 to {vocab_size - 1}"
    if not isinstance(ids, Sequence) or isinstance(ids, (str, bytes)):
        _refuse("stop_token_ids", ids, expected)
    for token_id in ids:
        if not _is_integer(token_id) or not 0 <= token_id < vocab_size:
            _refuse("stop_token_ids", token_id, expected)


def _check_logit_bias(bias: Any, vocab_size: int) -> None:
    if bias is None:
        return
    if not isinstance(bias, Mapping):
        _refuse("logit_bias", bias, "a mapping from token ids to numbers")
    for token_id, value in bias.items():
        if not _is_integer(token_id) or not 0 <= token_id < vocab_size:
            _refuse("logit_bias", token_id, f"keyed by token ids from 0 to {vocab_size - 1}")
        # Minus infinity is a way to say: never this token.
        if not _is_number(value) or (value != -math.inf and not -MAX_BIAS <= value <= MAX_BIAS):
            _refuse(f"logit_bias[{token_id}]", value, f"a number from {-MAX_BIAS:g} to {MAX_BIAS:g} or minus infinity")


def _check_constraint(constraint: Any) -> None:
    if constraint is None:
        return
    if not isinstance(constraint, Constraint):
        _refuse("constraint", constraint, "a Constraint: Constraint(kind='regex', source='[a-z]+')")
    kinds = ("json_schema", "regex", "lark")
    if constraint.kind not in kinds:
        _refuse("constraint.kind", constraint.kind, f"one of {', '.join(kinds)}")
    source: Any = constraint.source
    if not isinstance(source, str) or not source:
        _refuse("constraint.source", source, "a text that is not empty")
