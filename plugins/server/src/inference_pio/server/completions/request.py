"""What ``/v1/completions`` takes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ..api_errors import invalid
from ..chat.response_format import ResponseFormat
from ..prompt_inputs import PromptInput
from ..sampling_fields import MAX_TOP_LOGPROBS, ChoiceFields, check_stream_options

MAX_CHOICES = 512
"""Most answers to one request, for all its prompts: as many as may wait in a model's queue by default. A request with
more would be told to come back later for ever."""

DEFAULT_MAX_TOKENS = 16
"""What the protocol says where a request says nothing."""


class CompletionsRequest(ChoiceFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Texts to continue; ``null`` is the same as nothing."""

    prompt: PromptInput
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    best_of: int | None = None
    suffix: str | None = None
    response_format: ResponseFormat | None = None

    @property
    def max_new_tokens(self) -> int:
        """Tokens of a continuation at most."""
        return DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens


def check_request(request: CompletionsRequest) -> None:
    """Refuse what cannot be.

    Raises:
        ApiError: 400.
    """
    check_stream_options(request)
    if request.best_of not in (None, request.n or 1):
        raise invalid(
            "best_of",
            f"best_of: {request.best_of} answers of which {request.n or 1} is shown are not supported; ask for all of "
            "them by n, with logprobs, and choose yourself",
        )
    if request.suffix:
        raise invalid("suffix", "suffix: models here continue a text and cannot write towards an end; leave it out")
    if request.max_new_tokens == 0 and not request.echo:
        raise invalid("max_tokens", "max_tokens: 0 is for echo = true, which then returns the prompt alone")
