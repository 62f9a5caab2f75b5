"""``/v1/embeddings``: texts to vectors, for models that offer it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from .api_errors import ApiError, invalid
from .endpoint import Answer, Call, Endpoint, RequestBody
from .prompt_inputs import PromptInput, prompts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .served_model import ServedModel


class EmbeddingsRequest(RequestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to turn into vectors; ``null`` is the same as nothing."""

    input: PromptInput
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """One text's vector: numbers, or base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of all texts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One vector a text, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


class Embeddings(Endpoint[EmbeddingsRequest]):
    """See the module."""

    path = "/v1/embeddings"
    request_type = EmbeddingsRequest
    response_type = EmbeddingsAnswer

    async def answer(self, request: EmbeddingsRequest, model: ServedModel, call: Call) -> Answer:
        """See ``Endpoint``."""
        if not model.can_embed:
            raise invalid(
                "model",
                f"model {model.name!r} offers no embeddings: it writes text. GET /v1/models tells which models "
                "have the capability 'embeddings'",
                code="capability_missing",
            )
        prompts = await prompts_of(request.input, "input", model)
        for prompt in prompts:
            if len(prompt.token_ids) > model.context:
                raise invalid(
                    prompt.place,
                    f"{prompt.place} has {len(prompt.token_ids)} tokens; {model.name} takes {model.context} at most",
                    code="context_length_exceeded",
                )
        vectors = await model.embed([prompt.token_ids for prompt in prompts])
        if not np.isfinite(vectors).all():
            raise ApiError(500, f"model {model.name!r} returned a vector with an infinite number in it")
        if request.dimensions not in (None, vectors.shape[1]):
            raise invalid("dimensions", f"dimensions: vectors of {model.name} have {vectors.shape[1]} numbers, always")
        tokens = sum(len(prompt.token_ids) for prompt in prompts)
        body = EmbeddingsAnswer(
            data=[
                Embedding(index=index, embedding=_encoded(vector, as_text=request.encoding_format == "base64"))
                for index, vector in enumerate(vectors)
            ],
            model=model.name,
            usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
        )
        return Answer(body)


def _encoded(vector: NDArray[np.float32], *, as_text: bool) -> list[float] | str:
    if as_text:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers
