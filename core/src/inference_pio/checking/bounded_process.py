"""Runs a program that nobody trusts to end: a time limit, no input, bounded output, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_KEPT_BYTES = 4_000
_GRACE_S = 5.0
"""Seconds to wait for the end of output once the process is dead; a child that left its group may hold it open."""


@dataclass
class Output:
    """What was written to one stream: how much, and its first and last bytes.

    Attributes:
        size: Bytes in all.
        head: The first 4000 bytes.
        tail: The last 4000 bytes.
    """

    size: int = 0
    head: bytes = b""
    tail: bytes = b""

    def drain(self, stream: IO[bytes]) -> None:
        """Read a pipe to its end and keep little of it."""
        with contextlib.suppress(OSError, ValueError):  # closed from the other side of this thread
            while piece := os.read(stream.fileno(), 1 << 16):
                self.size += len(piece)
                self.head += piece[: _KEPT_BYTES - len(self.head)]
                self.tail = (self.tail + piece)[-_KEPT_BYTES:]


@dataclass
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code; negative for a signal; ``None`` when it was killed because its time was up.
        stdout: What it wrote.
        stderr: The same for the other stream.
    """

    code: int | None = None
    stdout: Output = field(default_factory=Output)
    stderr: Output = field(default_factory=Output)


def run_bounded(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout_s: float) -> Ended:
    """Run a program to its end or to the end of its time; afterwards its whole process group is gone.

    Raises:
        OSError: It cannot be started.
    """
    ended = Ended()
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None, "it is a pipe"
    assert process.stderr is not None, "it is a pipe"
    pipes = ((ended.stdout, process.stdout), (ended.stderr, process.stderr))
    readers = [threading.Thread(target=output.drain, args=(stream,), daemon=True) for output, stream in pipes]
    for reader in readers:
        reader.start()
    try:
        ended.code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        ended.code = None
    finally:
        _kill_group(process)
        process.wait()
        for reader in readers:
            reader.join(_GRACE_S)
    for reader, (_, stream) in zip(readers, pipes, strict=True):
        if not reader.is_alive():
            stream.close()
    return ended


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        # The group outlives its leader, and with it whatever it has started.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
