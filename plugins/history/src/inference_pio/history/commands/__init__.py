"""``inference-pio logs``: without a command it lists."""

from __future__ import annotations

import click

from inference_pio.cli.command import global_options
from inference_pio.cli.options import as_json

from . import continuing, keeping, listing, removing, showing


@click.group("logs", invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@as_json
@click.pass_context
def logs(ctx: click.Context, as_json: bool) -> None:
    """Look at past runs and chats: list, search, show, export, continue, delete.

    Without a command: the latest ones.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing.list_command, model=None, since=None, limit=listing.LIMIT, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"--json goes behind the command: inference-pio logs {ctx.invoked_subcommand} --json")


logs.params += global_options(hidden=True)
for _module in (listing, showing, continuing, removing, keeping):
    for _command in _module.COMMANDS:
        logs.add_command(_command)
