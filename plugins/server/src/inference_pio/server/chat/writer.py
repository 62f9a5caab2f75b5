"""``AnswerWriter``: writes answers as the protocol has them, whole or piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, UnsetType

from inference_pio.generation import GenerationStats, TokenLogprob

from ..answer_ids import new_id, now_s
from ..event_stream import encode_event
from ..generations import Generations
from ..token_logprobs import chosen_logprobs
from ..usage import Usage, usage_of
from .request import ChatRequest
from .response import (
    ChatAnswerMessage,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatDelta,
    ChatLogprobs,
    FunctionCall,
    FunctionCallDelta,
    MessageToolCall,
    ToolCallDelta,
)
from .steps import FinishReason, Step, read_steps
from .tool_call_reader import CallArguments, CallStart, Piece, Text

if TYPE_CHECKING:
    from ..served_model import ServedModel


class AnswerWriter:
    """Writes the answers to one request.

    Args:
        request: What was asked for.
        model: Whose answers they are.
        tool_names: What they may call.
    """

    def __init__(self, request: ChatRequest, model: ServedModel, tool_names: Collection[str]) -> None:
        self._request, self._model, self._tool_names = request, model, tool_names
        self._id, self._created = new_id("chatcmpl-"), now_s()
        self._tier: Literal["default"] | UnsetType = UNSET if request.service_tier is None else "default"

    async def whole(self, generations: Generations) -> ChatCompletion:
        """Read all answers to their ends.

        Raises:
            ApiError: An answer was cut off.
            InferencePioError: The computation failed.
        """
        answers = [_WholeAnswer() for _ in range(len(generations))]
        async with contextlib.aclosing(read_steps(generations, self._tool_names)) as steps:
            async for step in steps:
                answers[step.index].add(step)
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model.name,
            choices=[self._choice(index, answer) for index, answer in enumerate(answers)],
            usage=usage_of([[stats for answer in answers for stats in answer.stats]]),
            service_tier=self._tier,
            metadata=UNSET if self._request.metadata is None else self._request.metadata,
        )

    async def events(self, generations: Generations) -> AsyncGenerator[bytes, None]:
        """Yield encoded events as the answers come; raises as ``whole`` does."""
        for index in range(len(generations)):
            beginning = ChatDelta(role="assistant", content="", refusal=None)
            yield self._event([ChatChunkChoice(index=index, delta=beginning)])
        stats: list[GenerationStats] = []
        async with contextlib.aclosing(read_steps(generations, self._tool_names)) as steps:
            async for step in steps:
                for choice in self._choices(step):
                    yield self._event([choice])
                if step.stats is not None:
                    stats.append(step.stats)
        if self._request.includes_usage:
            yield encode_event(self._chunk([], usage_of([stats])))

    def _choice(self, index: int, answer: _WholeAnswer) -> ChatChoice:
        assert answer.finish_reason is not None, "every answer ends with one"
        message = ChatAnswerMessage(
            # An answer that only calls has no content; one that says nothing at all has an empty one.
            content="".join(answer.texts) if answer.texts or not answer.calls else None,
            tool_calls=answer.tool_calls() or UNSET,
        )
        return ChatChoice(
            index=index,
            message=message,
            logprobs=self._logprobs(answer.logprobs) if self._request.logprobs else None,
            finish_reason=answer.finish_reason,
        )

    def _choices(self, step: Step) -> Iterator[ChatChunkChoice]:
        """Write a step: a chunk for each piece, and one for the end. The first has the step's log-probabilities."""
        logprobs = self._logprobs(step.logprobs) if step.logprobs else None
        for piece in step.pieces:
            yield ChatChunkChoice(index=step.index, delta=_delta(piece), logprobs=logprobs)
            logprobs = None
        if step.finish_reason is not None:
            yield ChatChunkChoice(
                index=step.index, delta=ChatDelta(), logprobs=logprobs, finish_reason=step.finish_reason
            )

    def _event(self, choices: list[ChatChunkChoice]) -> bytes:
        return encode_event(self._chunk(choices))

    def _chunk(self, choices: list[ChatChunkChoice], usage: Usage | None = None) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self._id,
            created=self._created,
            model=self._model.name,
            choices=choices,
            usage=usage if self._request.includes_usage else UNSET,
            service_tier=self._tier,
        )

    def _logprobs(self, logprobs: list[TokenLogprob]) -> ChatLogprobs:
        return ChatLogprobs(content=chosen_logprobs(logprobs, self._model))


@dataclass
class _WholeAnswer:
    texts: list[str] = field(default_factory=list)
    calls: list[tuple[CallStart, list[str]]] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    stats: list[GenerationStats] = field(default_factory=list)

    def add(self, step: Step) -> None:
        for piece in step.pieces:
            if isinstance(piece, Text):
                self.texts.append(piece.text)
            elif isinstance(piece, CallStart):
                self.calls.append((piece, []))
            else:
                self.calls[piece.index][1].append(piece.text)
        self.logprobs += step.logprobs
        self.finish_reason = step.finish_reason
        self.stats += [] if step.stats is None else [step.stats]

    def tool_calls(self) -> list[MessageToolCall]:
        return [
            MessageToolCall(id=start.id, function=FunctionCall(name=start.name, arguments="".join(arguments)))
            for start, arguments in self.calls
        ]


def _delta(piece: Piece) -> ChatDelta:
    if isinstance(piece, Text):
        return ChatDelta(content=piece.text)
    if isinstance(piece, CallArguments):
        return ChatDelta(
            tool_calls=[ToolCallDelta(index=piece.index, function=FunctionCallDelta(arguments=piece.text))]
        )
    function = FunctionCallDelta(name=piece.name, arguments="")
    return ChatDelta(tool_calls=[ToolCallDelta(index=piece.index, id=piece.id, type="function", function=function)])
