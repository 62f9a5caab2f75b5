"""The command reference: the help of each built-in command, as a terminal shows it."""

from __future__ import annotations

import click

from inference_pio.cli.app import app

WIDTH = 100
PROGRAM = "inference-pio"


def commands_page() -> str:
    """Render the help page of each built-in command, by name. Plugins' commands are described by their own pages."""
    return "\n\n".join(_section(name) for name in app.builtin)


def _section(name: str) -> str:
    parent = click.Context(app, info_name=PROGRAM, terminal_width=WIDTH)
    command = app.get_command(parent, name)
    assert command is not None, f"{name} is listed but cannot be imported"
    settings = {**command.context_settings, "terminal_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    return f"## {name} {{ #{name} }}\n\n```text\n{command.get_help(context).rstrip()}\n```"
