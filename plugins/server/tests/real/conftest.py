"""A server of its own process that serves the real SmolLM2, once for all tests here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import openai
import pytest


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Start `inference-pio serve smollm2` and return where it listens."""
    command = [sys.executable, "-m", "inference_pio", "serve", "smollm2", "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the server ended with {process.wait()}"
        try:
            yield json.loads(line)["url"]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=120) as client:
        yield client
