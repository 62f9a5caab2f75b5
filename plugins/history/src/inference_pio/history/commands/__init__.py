"""``inference-pio logs``: without a command it lists."""

from __future__ import annotations

import click

from inference_pio.cli.command import global_options, write_block
from inference_pio.cli.options import as_json

from . import continuing, keeping, listing, removing, showing

EXAMPLES = """\
inference-pio logs
inference-pio logs search rayleigh
inference-pio logs show last
inference-pio logs continue last
inference-pio logs off"""


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, as the host's own commands have them."""
        write_block(formatter, "Examples", EXAMPLES)


@click.group("logs", cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@as_json
@click.pass_context
def logs(ctx: click.Context, as_json: bool) -> None:
    """Look at past runs and chats, continue or delete them.

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
