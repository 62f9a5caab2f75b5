"""``PluginTokens``: text and tokens of a plugin without an engine of the runtime, as a ``ServedModel`` has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_pio.interfaces import EmbeddingModelPlugin, TextModelPlugin


class PluginTokens:
    """A part of ``ServedModel``; a plugin is anybody's code, so that what may take long runs in a thread.

    Args:
        plugin: Loaded.
    """

    def __init__(self, plugin: TextModelPlugin | EmbeddingModelPlugin) -> None:
        self._tokens_of = plugin

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """See ``ServedModel``."""
        return await asyncio.to_thread(self._tokens_of.tokenize, text, add_special_tokens=add_special_tokens)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See ``ServedModel``."""
        return await asyncio.to_thread(self._tokens_of.detokenize, token_ids, skip_special_tokens=False)

    def token_bytes(self, token_id: int) -> bytes:
        """See ``ServedModel``."""
        return self._tokens_of.detokenize([token_id], skip_special_tokens=False).encode()
