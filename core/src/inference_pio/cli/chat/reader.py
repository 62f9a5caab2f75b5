"""Reads what the user says: a line, several lines in fences, or lines that end in a backslash."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..terminal import is_terminal

FENCE = '"""'
PROMPT = ">>> "
MORE = "... "
KEPT_LINES = 1000


class Reader:
    """Reads from a terminal with line editing and a history that outlives the process, or from a pipe line by line.

    Args:
        words: What the tab key completes at the start of a line.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.is_interactive = is_terminal(sys.stdin)
        self._words = words
        self._readline: Any = None

    def __enter__(self) -> Reader:
        if self.is_interactive:
            self._readline = _start_readline(self._words)
        elif isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="strict")  # as for `run`, whatever the locale says
        return self

    def __exit__(self, *_: object) -> None:
        if self._readline is not None:
            _save_history(self._readline)

    def read(self) -> str | None:
        """Return the next message, or ``None`` at the end of the input.

        Raises:
            KeyboardInterrupt: The user gave the message up.
        """
        line = self._line(PROMPT)
        if line is None:
            return None
        if line.lstrip().startswith(FENCE):
            return self.read_fenced(line.lstrip()[len(FENCE) :])
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            more = self._line(MORE)
            if more is None:
                break
            lines.append(more)
        return "\n".join(lines)

    def read_fenced(self, first: str = "") -> str:
        """Return the lines up to the closing fence, or up to the end of the input.

        Args:
            first: What followed the opening fence on its line; it may hold the closing one.
        """
        lines: list[str] = []
        line: str | None = first
        while line is not None:
            if line.rstrip().endswith(FENCE):
                lines.append(line.rstrip()[: -len(FENCE)])
                break
            lines.append(line)
            line = self._line(MORE)
        # The fences' own lines are not a part of the message.
        if lines and not lines[0]:
            del lines[0]
        if lines and not lines[-1]:
            del lines[-1]
        return "\n".join(lines)

    def _line(self, prompt: str) -> str | None:
        if not self.is_interactive:
            line = _piped_line()
            return line.removesuffix("\n").removesuffix("\r") if line else None
        try:
            return input(prompt)
        except EOFError:
            return None


def _piped_line() -> str:
    try:
        return sys.stdin.readline()
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 text: byte 0x{error.object[error.start]:02x}") from error


def _history_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("inference-pio", appauthor=False)) / "chat_history"


def _start_readline(words: Sequence[str]) -> Any:
    """Return the readline module, ready; ``None`` where Python was built without it, which costs only comfort."""
    try:
        import readline
    except ImportError:
        return None
    with contextlib.suppress(OSError):  # no history yet, or an unreadable one
        readline.read_history_file(_history_file())
    readline.set_history_length(KEPT_LINES)
    readline.set_completer_delims(" \t\n")

    def complete(text: str, state: int) -> str | None:
        at_start = readline.get_begidx() == 0
        found = [word for word in words if word.startswith(text)] if at_start and text else []
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    return readline


def _save_history(readline: Any) -> None:
    path = _history_file()
    with contextlib.suppress(OSError):  # a read-only home costs the history and nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        # What people say to a model is nobody else's business; the mode must be right before the first byte is written.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        readline.write_history_file(path)
