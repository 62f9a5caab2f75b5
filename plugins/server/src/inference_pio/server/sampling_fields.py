"""Fields that say how to choose tokens, shared by the calls that write text, and what they mean to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from inference_pio.generation import Constraint, SamplingOptions

from .api_errors import invalid
from .endpoint import RequestBody

if TYPE_CHECKING:
    from .served_model import ServedModel

MAX_CHOICES = 128
"""Most answers to one request."""

MAX_TOP_LOGPROBS = 20
"""Most of the likeliest tokens told a position."""

MAX_STOPS = 16
MAX_STOP_CHARS = 1000
MAX_STOP_TOKEN_IDS = 128
MAX_BIASES = 1024

PROTOCOL_TEMPERATURE = 1.0
"""Where neither the request nor the model's authors say anything."""

Penalty = Annotated[float, Meta(ge=-2, le=2)]
Bias = Annotated[float, Meta(ge=-100, le=100)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
TokenId = Annotated[int, Meta(ge=0)]
StopText = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_CHARS)]


class SamplingFields(RequestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to choose tokens; ``null`` is the same as nothing."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    min_p: Fraction | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Meta(ge=0.01, le=2)] | None = None
    logit_bias: Annotated[dict[TokenId, Bias], Meta(max_length=MAX_BIASES)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=MAX_STOPS)] | None = None
    stop_token_ids: Annotated[list[TokenId], Meta(max_length=MAX_STOP_TOKEN_IDS)] | None = None
    ignore_eos: bool | None = None
    user: str | None = None


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stream tells beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChoiceFields(SamplingFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to choose tokens, how many answers to give, and whether to give them piece by piece."""

    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


def check_stream_options(fields: ChoiceFields) -> None:
    """Refuse stream options that mean nothing, or that cannot be.

    Raises:
        ApiError: 400.
    """
    if fields.stream_options is None:
        return
    if not fields.stream:
        raise invalid("stream_options", "stream_options: only a request with stream = true may have them")
    if fields.stream_options.include_obfuscation:
        name = "stream_options.include_obfuscation"
        raise invalid(name, f"{name}: events are not padded; leave it out or set it to false")


def sampling_options(
    fields: SamplingFields,
    model: ServedModel,
    *,
    max_new_tokens: int | None = None,
    logprobs: int | None = None,
    prompt_logprobs: int | None = None,
    constraint: Constraint | None = None,
) -> SamplingOptions:
    """Say in the engine's words what was asked for.

    Args:
        fields: What was asked for.
        model: Whose tokens they are.
        max_new_tokens: Tokens to generate at most.
        logprobs: Number of likeliest tokens to report per position.
        prompt_logprobs: The same for the prompt's tokens.
        constraint: What the answer must look like.

    Raises:
        ApiError: 400: a token is not in the model's vocabulary.
    """
    _check_token_ids("logit_bias", fields.logit_bias or (), model)
    _check_token_ids("stop_token_ids", fields.stop_token_ids or (), model)
    return SamplingOptions(
        # More than the context holds is no error: the answer ends with the context.
        max_new_tokens=None if max_new_tokens is None else min(max_new_tokens, model.context),
        temperature=_temperature(fields, model),
        top_k=None if fields.top_k is None else min(fields.top_k, model.vocab_size),
        top_p=fields.top_p,
        min_p=fields.min_p,
        repetition_penalty=fields.repetition_penalty,
        presence_penalty=fields.presence_penalty,
        frequency_penalty=fields.frequency_penalty,
        logit_bias=fields.logit_bias or None,
        stop=fields.stop or None,
        stop_token_ids=fields.stop_token_ids or None,
        ignore_eos=bool(fields.ignore_eos),
        seed=fields.seed,
        logprobs=logprobs,
        prompt_logprobs=prompt_logprobs,
        constraint=constraint,
    )


def _temperature(fields: SamplingFields, model: ServedModel) -> float:
    """What was asked for, else what the model's authors recommend, else what the protocol says."""
    # Not the engine's neutral value, which is greedy: clients of the protocol expect answers that vary.
    for given in (fields.temperature, model.sampling_defaults.temperature):
        if given is not None:
            return given
    return PROTOCOL_TEMPERATURE


def _check_token_ids(name: str, token_ids: Mapping[int, float] | list[int] | tuple[()], model: ServedModel) -> None:
    outside = next((token for token in token_ids if token >= model.vocab_size), None)
    if outside is not None:
        shown = outside if outside < 10**20 else "one of them"
        raise invalid(
            name, f"{name}: token ids of {model.name} are from 0 to {model.vocab_size - 1}, and {shown} is not"
        )
