"""Child processes of an installation: the same interpreter, nothing of ours in it, and always an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

# What `python -m` does, but for the current folder on sys.path: a folder called pip in there must not run.
_RUN = (
    "import runpy, sys; sys.path[:] = filter(None, sys.path); "
    "runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)
_LAST_BYTES = 4_000_000
"""How much of an output is read, from its end: a plugin may print without end."""
_GRACE_S = 10.0
"""How long a child may take to end once it has been asked to, seconds."""


@dataclass(frozen=True)
class Finished:
    """How a child process ended.

    Attributes:
        code: Its exit code, negative for a signal; ``None`` when its time was up.
        output: What it wrote to standard output; empty when that was shown.
        errors: What it wrote to standard error; empty when that was shown.
    """

    code: int | None
    output: str = ""
    errors: str = ""

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return f"{self.output}\n{self.errors}"


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command line of ``python -m MODULE ARGUMENTS`` without the current folder on its path."""
    return [sys.executable, "-c", _RUN.format(module=module), *arguments]


def run_child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    is_shown: bool = False,
    folder: str | None = None,
) -> Finished:
    """Run a child to its end, and its own children with it.

    Args:
        command: Command line.
        environment: Its variables; default: ours.
        timeout_s: When to kill it, seconds; default: never.
        is_shown: Let it write to our standard error, both streams, instead of keeping what it writes.
        folder: Its current folder; default: ours.
    """
    # Files, not pipes: a file never fills up, and a grandchild that holds it open keeps nobody waiting.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        streams = (sys.stderr.fileno(),) * 2 if is_shown else (output.fileno(), errors.fileno())
        # A session of its own: Ctrl-C reaches us alone, so that the order of ending is ours.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=streams[0], stderr=streams[1],
            cwd=folder, start_new_session=os.name != "nt",
        )  # fmt: skip
        code = _wait(process, timeout_s)
        return Finished(code, _tail(output), _tail(errors))


def _wait(process: subprocess.Popen[bytes], timeout_s: float | None) -> int | None:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    except BaseException:  # Ctrl-C: pip tidies up when it gets it too
        _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_GRACE_S)
        raise
    finally:
        if process.poll() is None:
            _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):  # gone already
        if os.name == "nt":
            process.terminate()
        else:
            os.killpg(process.pid, number)


def _tail(file: IO[bytes]) -> str:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _LAST_BYTES))
    return file.read().decode("utf-8", errors="replace")
