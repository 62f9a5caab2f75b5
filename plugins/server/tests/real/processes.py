"""``inference-pio serve smollm2`` as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

HANGS_S = 120


@dataclass(frozen=True)
class Serving:
    """A server that listens at ``url``."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANGS_S)


@contextlib.contextmanager
def serving(*options: str, **environment: str) -> Iterator[Serving]:
    """Start a server with the real SmolLM2; what still runs at the end is killed."""
    command = [sys.executable, "-m", "inference_pio", "serve", "smollm2", "--port", "0", "--json", *options]
    changed = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=changed) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the server ended with {process.wait()}"
            yield Serving(process, json.loads(line)["url"])
        finally:
            process.kill()
