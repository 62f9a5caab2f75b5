"""``PrefixCache``: keys and values of the beginnings of texts, so that what many prompts begin with is computed once.

Texts are cut into blocks of ``BLOCK_TOKENS`` tokens, and a block is found by what stands before it (its parent block)
and by its tokens: a dictionary that compares the tokens themselves, so that no collision of hashes can ever give one
prompt the keys and values of another. What is at the root is told apart by a salt. The idea is vLLM's (Kwon et al.
2023, "Efficient Memory Management for Large Language Model Serving with PagedAttention"), which shares pages; here
blocks are copied, which costs a hundredth of computing them and leaves executors free to lay out memory as they like.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .executor import SavesCache
    from .sequence import Sequence

logger = logging.getLogger(__name__)

BLOCK_TOKENS = 32
"""Tokens of a block: all but the last 31 of a common beginning are shared, and looking one up is cheap beside copying
it."""

Key = tuple[str | int, tuple[int, ...]]
"""The number of the block before, or the salt where there is none; and the tokens."""


class Block:
    """Keys and values of some tokens; ``data`` is ``None`` once it has been thrown out.

    Args:
        number: Never given to another block.
        key: Where it is found.
        data: As ``SavesCache.save`` gave it.
    """

    __slots__ = ("data", "key", "number")

    def __init__(self, number: int, key: Key, data: NDArray[np.uint8]) -> None:
        self.number, self.key = number, key
        self.data: NDArray[np.uint8] | None = data


class BlockStore:
    """Blocks up to a number of bytes; the least recently used go first, and always before the blocks they follow.

    Args:
        limit: Most bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        """Bytes of all blocks."""
        self._blocks: OrderedDict[Key, Block] = OrderedDict()  # the least recently used one first
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, key: object) -> bool:
        return key in self._blocks

    def get(self, key: Key) -> Block | None:
        """Return a block, if it is there."""
        return self._blocks.get(key)

    def touch(self, chain: list[Block]) -> None:
        """Note that a chain of blocks is in use; the first one is the most recent, as all others need it."""
        for block in reversed(chain):
            if block.data is not None:
                self._blocks.move_to_end(block.key)

    def add(self, key: Key, data: NDArray[np.uint8], chain: list[Block]) -> Block | None:
        """Keep a block that follows a chain, all of it here; ``None`` if that would take throwing out a part of it.

        Call ``touch`` with the longer chain before anything else is added.
        """
        self.touch(chain)
        while self.used + data.nbytes > self.limit and len(self._blocks) > len(chain):
            _, oldest = self._blocks.popitem(last=False)
            assert oldest.data is not None
            self.used -= oldest.data.nbytes
            oldest.data = None
        if self.used + data.nbytes > self.limit:
            return None
        self._numbers += 1
        block = self._blocks[key] = Block(self._numbers, key, data)
        self.used += data.nbytes
        return block


class PrefixCache:
    """Saves blocks from an executor's slots and restores them; knows how far each sequence's chain of blocks goes.

    An executor that fails in this costs the sequence its chain, never its answer: what is not restored is computed.

    Args:
        executor: Whose slots.
        limit: Most bytes.
        free: ``Executor.free``.
    """

    def __init__(self, executor: SavesCache, limit: int, free: Callable[[int], None]) -> None:
        self.store = BlockStore(limit)
        self._executor, self._free = executor, free
        self._length = BLOCK_TOKENS

    def __contains__(self, key: Key) -> bool:
        return key in self.store

    def restore(self, sequence: Sequence, most: float) -> int:
        """Copy to a sequence's slot what goes on where it stands, and return how many tokens that were.

        At least its last known token stays to be computed, and every token whose logits somebody wants. Afterwards
        ``next_block`` is set if it stands where a block begins that it could restore if there were one.

        Args:
            sequence: Has a slot.
            most: Tokens from which on it stops.
        """
        start, sequence.next_block = sequence.computed, None
        if not sequence.is_chained or start != len(sequence.blocks) * self._length:
            return 0
        last = sequence.wanted_from
        while sequence.computed + self._length <= last:
            key = self._key(sequence)
            block = self.store.get(key)
            if block is None or sequence.computed - start >= most:
                sequence.next_block = key
                break
            assert block.data is not None
            try:
                self._executor.restore(sequence.slot, sequence.computed, block.data)
            except Exception as error:  # noqa: BLE001 -- an executor is anybody's code, and this can be done without it
                self._give_up(sequence, "restore", error)
                return 0
            sequence.blocks.append(block)
            sequence.computed += self._length
        restored = sequence.computed - start
        if restored:
            self.store.touch(sequence.blocks)
            if sequence.is_fresh:
                sequence.cached_tokens += restored
        return restored

    def keep(self, sequence: Sequence) -> None:
        """Save the blocks that a sequence has fully computed since the last time."""
        have = len(sequence.blocks)
        while sequence.is_chained and (len(sequence.blocks) + 1) * self._length <= sequence.computed:
            block = self._saved(sequence)
            if block is None:
                sequence.is_chained = False
            else:
                sequence.blocks.append(block)
        if len(sequence.blocks) > have:
            self.store.touch(sequence.blocks)

    def clear(self) -> None:
        """Give all memory back."""
        self.store = BlockStore(self.store.limit)

    def _key(self, sequence: Sequence) -> Key:
        start = len(sequence.blocks) * self._length
        tokens = tuple(sequence.tokens[start : start + self._length])
        return (sequence.blocks[-1].number if sequence.blocks else sequence.salt, tokens)

    def _saved(self, sequence: Sequence) -> Block | None:
        key = self._key(sequence)
        block = self.store.get(key)
        if block is not None or (sequence.blocks and sequence.blocks[-1].data is None):
            return block  # behind a block that was thrown out nobody would find it
        start = len(sequence.blocks) * self._length
        try:
            data = self._executor.save(sequence.slot, start, start + self._length)
        except Exception as error:  # noqa: BLE001 -- as above
            logger.warning("%s", _said("save", error))
            return None
        return None if data is None else self.store.add(key, data, sequence.blocks)

    def _give_up(self, sequence: Sequence, what: str, error: Exception) -> None:
        """Compute a sequence from its first token on: nobody knows what its slot holds now."""
        logger.warning("%s", _said(what, error))
        self._free(sequence.slot)
        sequence.forget()
        sequence.is_chained, sequence.cached_tokens = False, 0


def _said(what: str, error: Exception) -> str:
    return f"the executor could not {what} a part of its cache, so it is computed: {type(error).__name__}: {error}"
