"""A model that waits for its test: it says as much as it may, and no more until it may say more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..fake_model import FakeModel


@dataclass
class PacedModel(FakeModel):
    """A ``FakeModel`` whose steps can be held back.

    Attributes:
        allowed: After so many steps it waits; ``None``: it does not wait. Set from the test's thread.
    """

    allowed: int | None = None

    async def step(self) -> None:
        """Wait for the test's leave: a look every few milliseconds, as it comes from another thread."""
        while self.allowed is not None and self.steps >= self.allowed:
            await asyncio.sleep(0.002)
        await super().step()
