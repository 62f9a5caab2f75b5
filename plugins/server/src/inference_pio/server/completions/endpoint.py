"""``Completions``: the endpoint."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from inference_pio.errors import ContextLengthError
from inference_pio.generation import SamplingOptions

from ..answer_ids import new_id, now_s
from ..api_errors import invalid
from ..chat.response_format import format_constraint
from ..endpoint import Answer, Call, Endpoint
from ..event_stream import EventStream, encode_event
from ..generations import Generations
from ..prompt_inputs import PromptPlace, prompts_of
from ..sampling_fields import sampling_options
from ..usage import Usage, usage_of
from .continuation import Continuation
from .request import MAX_CHOICES, CompletionsRequest, check_request
from .response import Completion, CompletionChoice, joined

if TYPE_CHECKING:
    from ..served_model import ServedModel


class Completions(Endpoint[CompletionsRequest]):
    """See the package."""

    path = "/v1/completions"
    request_type = CompletionsRequest
    response_type = Completion
    event_types = (Completion,)

    async def answer(self, request: CompletionsRequest, model: ServedModel, call: Call) -> Answer:
        """See ``Endpoint``."""
        check_request(request)
        n = request.n or 1
        prompts = await prompts_of(request.prompt, "prompt", model, most=MAX_CHOICES)
        if n * len(prompts) > MAX_CHOICES:
            raise invalid("n", f"n: {n} answers to each of {len(prompts)} prompts are more than {MAX_CHOICES} in all")
        choices = [
            Continuation(request, prompt, model, place * n + answer)
            for place, prompt in enumerate(prompts)
            for answer in range(n)
        ]
        options = _options(request, model)
        generations = await _start(prompts, options, n, model, call)
        running = _Running(request, model, choices, generations)
        if request.stream:
            return Answer(events=EventStream(generations, running.events()))
        return Answer(await running.whole())


def _options(request: CompletionsRequest, model: ServedModel) -> SamplingOptions:
    prompt_logprobs = request.logprobs if request.echo else None
    if not request.max_new_tokens:  # the engine computes an answer of no tokens for the prompt's own sake only
        prompt_logprobs = prompt_logprobs or 0
    return sampling_options(
        request,
        model,
        max_new_tokens=request.max_new_tokens,
        logprobs=request.logprobs,
        prompt_logprobs=prompt_logprobs,
        constraint=format_constraint(request.response_format),
    )


async def _start(
    prompts: Sequence[PromptPlace], options: SamplingOptions, n: int, model: ServedModel, call: Call
) -> Generations:
    generations = Generations()
    for prompt in prompts:
        try:
            await generations.add(model, prompt.token_ids, options, n=n, text=prompt.text, cache_salt=call.caller)
        except ContextLengthError as error:
            raise invalid(prompt.place, f"{prompt.place}: {error}", code="context_length_exceeded") from error
    return generations


class _Running:
    """Answers as they come. Whole ones are made of the pieces of a stream, so that the two cannot differ."""

    def __init__(
        self,
        request: CompletionsRequest,
        model: ServedModel,
        choices: Sequence[Continuation],
        generations: Generations,
    ) -> None:
        self._request, self._model, self._choices, self._generations = request, model, choices, generations
        self._id, self._created = new_id("cmpl-"), now_s()

    async def whole(self) -> Completion:
        pieces: list[list[CompletionChoice]] = [[] for _ in self._choices]
        async with contextlib.aclosing(self._pieces()) as source:
            async for piece in source:
                pieces[piece.index].append(piece)
        return self._completion([joined(each) for each in pieces], self._usage())

    async def events(self) -> AsyncGenerator[bytes, None]:
        includes_usage = self._request.includes_usage
        async with contextlib.aclosing(self._pieces()) as source:
            async for piece in source:
                yield encode_event(self._completion([piece], None if includes_usage else UNSET))
        if includes_usage:
            yield encode_event(self._completion([], self._usage()))

    async def _pieces(self) -> AsyncGenerator[CompletionChoice, None]:
        async with contextlib.aclosing(self._generations.chunks()) as source:
            async for index, chunk in source:
                piece = self._choices[index].piece(chunk)
                if piece is not None:
                    yield piece

    def _completion(self, choices: list[CompletionChoice], usage: Usage | UnsetType | None) -> Completion:
        return Completion(id=self._id, created=self._created, model=self._model.name, choices=choices, usage=usage)

    def _usage(self) -> Usage:
        n = self._request.n or 1
        stats = [choice.stats for choice in self._choices if choice.stats is not None]
        return usage_of([stats[start : start + n] for start in range(0, len(stats), n)])
