"""Runs a probe in a process of its own, with a time limit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ..checking.bounded_process import Output, run_bounded

COMMAND = "from inference_pio.testing.probe import main; main()"
SHOWN = 2000
"""Characters of a dead process's last words that a message shows."""


class ProbeFailedError(Exception):
    """The process neither finished its job nor said why."""


def run_probe(job: dict[str, Any], folder: Path, *, timeout_s: float) -> dict[str, Any]:
    """Run one job and return its result, with what the process wrote to standard output as ``stdout``.

    Args:
        job: See ``probe``.
        folder: An empty folder for this run: its working folder, and its state.
        timeout_s: Seconds until the process is killed.

    Raises:
        ProbeFailedError: The process died or took too long.
    """
    result = folder / "result.json"
    # What the host remembers of failures must not count these on purpose.
    environment = {**os.environ, "INFERENCE_PIO_STATE_DIR": str(folder / "state")}
    argv = [sys.executable, "-c", COMMAND, json.dumps(job), str(result)]
    ended = run_bounded(argv, folder=folder, environment=environment, timeout_s=timeout_s)
    if ended.code is None:
        raise ProbeFailedError(f"was still not imported after {timeout_s:g} s")
    if not result.exists():
        raise ProbeFailedError(f"ended the process that imported it, exit code {ended.code}. {_tail(ended.stderr)}")
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return {**found, "stdout": _tail(ended.stdout)}


def _tail(output: Output) -> str:
    return output.tail.decode(errors="replace")[-SHOWN:].strip()
