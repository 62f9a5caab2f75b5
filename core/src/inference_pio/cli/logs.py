"""Sends log records and Python warnings to standard error, one line each."""

from __future__ import annotations

import logging
import sys
import warnings

from .terminal import styled

_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


class _StandardError(logging.Handler):
    """Looks ``sys.stderr`` up for each record, because a progress bar replaces it while it is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:  # noqa: BLE001 - a record that cannot be written must not stop the program
            self.handleError(record)


class _OneLine(logging.Formatter):
    def __init__(self, *, debug: bool) -> None:
        super().__init__()
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        where = f"{record.name}: " if self._debug else ""
        line = (
            f"{styled(level + ':', sys.stderr, fg=_COLOURS.get(level))} {where}{' '.join(record.getMessage().split())}"
        )
        if self._debug and record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure(*, verbose: bool, debug: bool) -> None:
    """Show warnings; with ``verbose`` also what was loaded; with ``debug`` everything, with names and tracebacks."""
    handler = _StandardError()
    handler.setFormatter(_OneLine(debug=debug))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    # Other libraries' info is noise to somebody who wants to know what this host does.
    logging.getLogger("inference_pio").setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.NOTSET)
    logging.captureWarnings(True)
    warnings.formatwarning = _format_warning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return f"{category.__name__}: {message}"
