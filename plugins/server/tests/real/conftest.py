"""A server of its own process that serves the real SmolLM2, once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from .processes import serving


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Start `inference-pio serve smollm2` and return where it listens."""
    with serving() as server:
        yield server.url
        assert server.stop() == 0


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120) as client:
        yield client
