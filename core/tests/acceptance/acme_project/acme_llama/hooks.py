"""What acme adds beside its model: a command, a list of answers, and a change of a model's configuration."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from inference_pio import hookimpl


@hookimpl
def pio_adjust_config(plugin_name: str, config: Any) -> Any:
    """Make the model shout where the environment asks for it."""
    if plugin_name == "acme-llama" and os.environ.get("ACME_SHOUT"):
        return dataclasses.replace(config, shout=True)
    return None


@hookimpl
def pio_after_generation(request: Any, completion: Any) -> None:
    """Write the answer down."""
    if path := os.environ.get("ACME_ANSWERS"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{request.plugin_name}: {completion.text}\n")


@hookimpl
def pio_commands() -> Any:
    """Contribute ``mirror``."""
    import click

    @click.command("mirror", help="Say TEXT backwards, without a model.")
    @click.argument("text")
    def mirror(text: str) -> None:
        click.echo(text[::-1])

    return [mirror]
