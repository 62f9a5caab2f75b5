"""``Executor``: what turns a batch of tokens into logits. The seam between scheduling and computing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            CacheFullError: A position lies outside the context, a slot outside the slots, or there is no memory.
                Nothing was computed; the engine tries again with fewer sequences.
            ValueError: A sequence does not go on where it ends, or goes back too far.
        """

    def free(self, slot: int) -> None:
        """Forget the sequence in a slot; the next one starts at position 0."""

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        """Bytes that the keys and values of these sequences take at once, with all that is allocated for them.

        It says what would be, whatever runs now, and holds for the context of the last ``allocate``. Any thread may
        ask. Memory that is kept of sequences that have ended is not counted: new ones use it before they take more.

        Args:
            lengths: Tokens of each sequence, in the order of their slots from slot 0 on, and 0 for an empty slot: a
                slot below a used one may cost memory too.
        """

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


@runtime_checkable
class SavesCache(Protocol):
    """What an executor may offer beside ``Executor``: then prompts that begin alike are computed once.

    A block holds the keys and values of consecutive tokens in all layers. Its bytes mean something only to the executor
    that saved them, as long as it lives, and only at the position where they were: behind the same tokens.
    """

    def save(self, slot: int, start: int, end: int) -> NDArray[np.uint8] | None:
        """Copy the keys and values of positions ``start`` to ``end - 1`` of a slot's sequence.

        Returns:
            A block, flat, owned by the caller: the same number of bytes for every token. ``None`` when a sliding layer
            has overwritten one of these places: save tokens soon after the step that computed them.

        Raises:
            CacheFullError: The slot is not among the allocated ones.
            ValueError: The sequence does not hold these positions, or they are none.
        """

    def restore(self, slot: int, start: int, block: NDArray[np.uint8]) -> None:
        """Put a saved block at the end of a slot's sequence, as if its tokens had been computed there.

        Blocks that are restored one after another from position 0 on give the logits that computing their tokens gives.
        The block is only read.

        Args:
            slot: Where to.
            start: Position of the block's first token, where it was saved; the length of the slot's sequence.
            block: What ``save`` returned.

        Raises:
            CacheFullError: It reaches beyond the context, the slot is not among the allocated ones, or there is no
                memory; nothing has changed.
            ValueError: The sequence does not end at ``start``, or these are not the bytes of a block; nothing has
                changed.
        """
