"""``MeteredModel``: a model as one request sees it; notes the tokens that the request takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference_pio.generation import Chunk, Message, SamplingOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .metrics import ServerMetrics
    from .request_record import RequestRecord
    from .served_model import Generation, ServedModel


class MeteredModel:
    """Passes everything on; the log and the metrics learn what was computed.

    Args:
        model: Whose.
        record: Of the request.
        metrics: Where times go.
    """

    def __init__(self, model: ServedModel, record: RequestRecord, metrics: ServerMetrics) -> None:
        self._model, self._record, self._metrics = model, record, metrics
        self.name = model.name
        self.context = model.context
        self.vocab_size = model.vocab_size
        self.sampling_defaults: SamplingOptions = model.sampling_defaults
        self.has_chat_template = model.has_chat_template
        self.takes_tools = model.takes_tools
        self.can_embed = model.can_embed

    async def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """See ``ServedModel``."""
        return await self._model.render(messages, tools=tools)

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """See ``ServedModel``."""
        return await self._model.tokenize(text, add_special_tokens=add_special_tokens)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See ``ServedModel``."""
        return await self._model.detokenize(token_ids)

    def token_bytes(self, token_id: int) -> bytes:
        """See ``ServedModel``."""
        return self._model.token_bytes(token_id)

    async def start(
        self,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> Generation:
        """See ``ServedModel``."""
        generation = await self._model.start(prompt_ids, options, text=text, messages=messages, cache_salt=cache_salt)
        self._record.prompt_tokens += len(prompt_ids)
        return _Metered(generation, self)

    async def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """See ``ServedModel``."""
        vectors = await self._model.embed(inputs)
        self._record.prompt_tokens += sum(map(len, inputs))
        return vectors

    def figures(self) -> Mapping[str, float]:
        """See ``ServedModel``."""
        return self._model.figures()

    async def close(self) -> None:
        """Do nothing: a request does not own the model."""

    def note(self, chunk: Chunk) -> None:
        """Take a piece of an answer into account."""
        self._record.new_tokens += len(chunk.token_ids)
        if chunk.stats is not None:
            self._record.cached_tokens += chunk.stats.cached_tokens
            if chunk.stats.new_tokens and chunk.finish_reason != "cancelled":
                self._metrics.answered(self.name, chunk.stats)


class _Metered:
    def __init__(self, generation: Generation, meter: MeteredModel) -> None:
        self._generation, self._meter = generation, meter

    def __aiter__(self) -> _Metered:
        return self

    async def __anext__(self) -> Chunk:
        chunk = await self._generation.__anext__()
        self._meter.note(chunk)
        return chunk

    def cancel(self) -> None:
        self._generation.cancel()
