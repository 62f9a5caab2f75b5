"""``Executor``: what turns a batch of tokens into logits. The seam between scheduling and computing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .batch import TokenBatch


@runtime_checkable
class Executor(Protocol):
    """Owns a model's weights and KV cache. Hooks offer one through ``pio_offer_executor``."""

    name: str
    """For people: ``torch float32 cpu``."""

    vocab_size: int
    """Width V of a row of logits."""

    max_context: int
    """Longest sequence the model can hold, tokens."""

    max_rewind: int
    """Tokens that a sequence can go back, counted from the longest it has been; 0 if it can only grow."""

    def allocate(self, slots: int, context: int) -> None:
        """Make room for ``slots`` sequences of up to ``context`` tokens; forgets what was cached before."""

    def step(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Compute a batch and extend the caches of its slots.

        A sequence goes on where it ends or up to ``max_rewind`` tokens before, and forgets what it held from there on:
        so guesses that did not come true are taken back (see ``PromptLookup``).

        Returns:
            Logits of ``batch.logit_rows``, (R, V) float32, owned by the caller.

        Raises:
            CacheFullError: A position lies outside the context, or a slot outside the slots.
            ValueError: A sequence does not go on where it ends, or goes back too far.
        """

    def free(self, slot: int) -> None:
        """Forget the sequence in a slot; the next one starts at position 0."""

    def close(self) -> None:
        """Give back memory and threads. Safe to call twice."""


@runtime_checkable
class CountsReads(Protocol):
    """What an executor may offer beside ``Executor``: then `inference-pio bench` tells how near the limit it is."""

    def bytes_per_token(self, context: int) -> int | None:
        """Bytes of main memory that computing one token after ``context`` tokens of one sequence has to read.

        The weights of every product once, and the cached keys and values that the token attends to; rows of an
        embedding, activations and logits are negligible. ``None`` where weights lie in other memory, as on a GPU.
        """
