"""``Continuation``: one answer of ``/v1/completions`` while it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.generation import Chunk, GenerationStats, TokenLogprob

from ..generations import finish_reason_of
from ..prompt_inputs import PromptPlace
from .logprobs import (
    CompletionLogprobs,
    Offsets,
    completion_logprobs,
    joined_logprobs,
    prompt_offsets,
    prompt_start,
)
from .request import CompletionsRequest
from .response import CompletionChoice

if TYPE_CHECKING:
    from ..served_model import ServedModel


class Continuation:
    """Makes pieces of an answer out of what the engine gives; with ``echo`` the first one begins with the prompt.

    Args:
        request: What was asked for.
        prompt: What is continued.
        model: What continues it.
        index: Of the choice.

    Attributes:
        stats: What it took, when it has ended.
    """

    def __init__(self, request: CompletionsRequest, prompt: PromptPlace, model: ServedModel, index: int) -> None:
        self._request, self._prompt, self._model, self._index = request, prompt, model, index
        self._has_begun = False
        self._echo = _text_of(prompt, model) if request.echo else ""
        self._offsets = Offsets(len(self._echo))
        self.stats: GenerationStats | None = None

    def piece(self, chunk: Chunk) -> CompletionChoice | None:
        """Return the next piece of the answer, or nothing where a chunk brings nothing to tell.

        Raises:
            ApiError: 503: the answer was cancelled by the server.
        """
        reason = finish_reason_of(chunk)
        begins, self._has_begun = not self._has_begun, True
        self.stats = chunk.stats
        text = (self._echo if begins else "") + chunk.text
        logprobs = self._logprobs(chunk, begins=begins)
        if not text and not (logprobs and logprobs.tokens) and reason is None:
            return None
        return CompletionChoice(index=self._index, text=text, logprobs=logprobs, finish_reason=reason)

    def _logprobs(self, chunk: Chunk, *, begins: bool) -> CompletionLogprobs | None:
        if self._request.logprobs is None:
            return None
        offsets = [self._offsets.next(self._model.token_bytes(each.token_id)) for each in chunk.logprobs]
        answer = completion_logprobs(chunk.logprobs, offsets, self._model)
        if not (begins and self._request.echo):
            return answer
        return joined_logprobs([self._of_prompt([each for each in chunk.prompt_logprobs if each is not None]), answer])

    def _of_prompt(self, predicted: list[TokenLogprob]) -> CompletionLogprobs:
        token_ids = self._prompt.token_ids
        offsets = prompt_offsets([self._model.token_bytes(each) for each in token_ids], self._echo)
        first = prompt_start(token_ids[0], self._model)
        return joined_logprobs([first, completion_logprobs(predicted, offsets[1:], self._model)])


def _text_of(prompt: PromptPlace, model: ServedModel) -> str:
    """Return a prompt as text: as it was sent, or what its tokens stand for, byte for byte."""
    if prompt.text is not None:
        return prompt.text
    return b"".join(map(model.token_bytes, prompt.token_ids)).decode(errors="replace")
