"""What the host calls. Nothing is imported before a command runs: every command loads this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click


@hookimpl
def pio_commands() -> Sequence[click.Command]:
    """Contribute ``serve`` and ``batch``."""
    from .commands import batch, serve

    return [serve.command, batch.command]
