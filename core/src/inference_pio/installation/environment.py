"""Whether this environment may be changed, and by one process at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from ..errors import InstallError
from ..file_lock import file_lock
from ..settings import environment_dir

Say = Callable[[str], None]
"""Takes a line for the person."""

_WAIT_S = 3600.0
"""How long to wait for another process: a download of torch takes its time, seconds."""


def require_changeable() -> None:
    """Check that pip may write into this environment.

    Raises:
        InstallError: It is the operating system's, or read-only.
    """
    is_virtual = sys.prefix != sys.base_prefix
    if not is_virtual and _is_externally_managed() and not _breaks_system_packages():
        raise InstallError(
            f"this Python ({sys.prefix}) is managed by the operating system (PEP 668), and pip must not change it. "
            "Make an environment of your own: python3 -m venv pio && pio/bin/pip install inference-pio"
        )
    for folder in dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib", "scripts")):
        if not _is_writable(Path(folder)):
            raise InstallError(
                f"{folder} is read-only for you, so nothing can be installed into this environment. Use one of your "
                "own (python3 -m venv pio && pio/bin/pip install inference-pio), or ask whoever administers this one"
            )


@contextlib.contextmanager
def exclusive(say: Say) -> Iterator[None]:
    """Keep other installs and uninstalls of this host out of the environment; waits for one that is going on.

    Raises:
        InstallError: The lock cannot be had.
    """
    path = environment_dir() / "installation.lock"
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(file_lock(path, timeout_s=0))
            except TimeoutError:
                say("another install or uninstall is going on in this environment; waiting for it")
                stack.enter_context(file_lock(path, timeout_s=_WAIT_S))
        except OSError as error:
            raise InstallError(f"the environment cannot be locked: {error}. Check {path.parent}") from error
        yield


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let ``kill`` and a closed terminal end the operation as Ctrl-C does, so that it is undone."""
    numbers = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    with _handled(numbers, _raise_interrupt):
        yield


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and its like off: putting files back must not be left half-done by an impatient second one."""
    numbers = [n for name in ("SIGINT", "SIGTERM", "SIGHUP") if (n := getattr(signal, name, None)) is not None]
    with _handled(numbers, _ignore):
        yield


@contextlib.contextmanager
def _handled(numbers: list[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _raise_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; unlike ``SIG_IGN`` a child process does not inherit it."""


def _is_externally_managed() -> bool:
    return Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()


def _breaks_system_packages() -> bool:
    """Whether the user has told pip to do it all the same."""
    return os.environ.get("PIP_BREAK_SYSTEM_PACKAGES", "").strip().lower() in {"1", "true", "yes", "on"}


def _is_writable(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return os.access(existing, os.W_OK)
