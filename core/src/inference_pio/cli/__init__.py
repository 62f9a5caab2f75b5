"""The command line ``inference-pio`` (short: ``ipio``).

``app`` holds the group and its global options, ``commands/`` one file a command, the other files what commands share.
Importing any of it imports no plugin, no torch and no rich.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: Arguments without the program's name; default: the process's own.

    Returns:
        The exit code; ``--help`` lists what each one means.
    """
    try:
        from .app import run

        return run(args)
    except KeyboardInterrupt:  # Ctrl-C while the modules above were still being read
        return 130
