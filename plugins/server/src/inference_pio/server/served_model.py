"""``ServedModel``: what the server knows of a model. All of it is asynchronous or at once; nothing here blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from inference_pio.generation import Chunk, Message, SamplingOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Generation(Protocol):
    """One answer under way; iterating gives its pieces, the last one with ``finish_reason`` and ``stats``.

    Whoever stops reading early calls ``cancel``. An error ends the iteration: an ``InferencePioError``.
    """

    # Not by inheritance: until Python 3.13 a protocol could not derive from ``AsyncIterator``.
    def __aiter__(self) -> AsyncIterator[Chunk]:
        """Return itself."""

    async def __anext__(self) -> Chunk:
        """Return the next piece."""

    def cancel(self) -> None:
        """Stop the computation at the next step; does nothing when it has ended. Never waits."""


class ServedModel(Protocol):
    """A loaded model that answers any number of requests at once, from one event loop."""

    name: str
    """Entry point name, and the name that clients give."""

    context: int
    """Places in the context, tokens."""

    vocab_size: int
    """Token ids are below this."""

    sampling_defaults: SamplingOptions
    """What holds where a request says nothing."""

    has_chat_template: bool
    """Whether it can chat; else it only continues text."""

    takes_tools: bool
    """Whether its chat template has a place for tools."""

    can_embed: bool
    """Whether ``embed`` works."""

    async def render(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """Write a conversation as the text that asks for the next message.

        Raises:
            ChatTemplateError: There is no template, or it refuses these messages.
        """

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return a text's token ids. A rendered conversation has its special tokens already.

        Raises:
            TokenizerError: The text is not valid Unicode.
        """

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens included.

        Raises:
            TokenizerError: A token is not in the vocabulary.
        """

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for: perhaps only a part of a character. Special tokens: their spelling.

        Raises:
            TokenizerError: The token is not in the vocabulary.
        """

    async def start(
        self,
        prompt_ids: Sequence[int],
        options: SamplingOptions,
        *,
        text: str | None = None,
        messages: Sequence[Message] = (),
        cache_salt: str = "",
    ) -> Generation:
        """Queue a request.

        Args:
            prompt_ids: The prompt; may have 0 as ``max_new_tokens`` where only its own logprobs are wanted.
            options: What was asked for; ``None`` fields take ``sampling_defaults``.
            text: The prompt's text, where it had one; for hooks.
            messages: The conversation, where it is one; for hooks.
            cache_salt: Only requests of one salt share computed prompts, so that nobody can learn by timing what others
                have asked.

        Raises:
            UsageError: An option is out of range, the prompt is empty, a token is not in the vocabulary.
            ContextLengthError: The prompt does not fit the context.
            QueueFullError: As many requests wait as may wait.
            EngineDeadError: What computes has ended.
            NotLoadedError: The model has been unloaded.
        """

    async def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return one vector a text, (N, D) float32, of length 1 each.

        Args:
            inputs: Token ids of N texts.

        Raises:
            InvalidOptionError: The model offers no embeddings.
        """

    def figures(self) -> Mapping[str, float]:
        """Return what the engine does now and has done so far, by name; for ``/metrics`` and ``/health``.

        ``running``, ``waiting``, ``waiting_tokens``, ``steps``, ``step_tokens``, ``prompt_tokens``, ``cached_tokens``,
        ``new_tokens``, ``preemptions``, ``cache_bytes``, ``prefix_cache_bytes``, and ``is_alive`` (0 or 1).
        """

    async def close(self) -> None:
        """End all requests and give the model's memory back. Safe to call twice."""
