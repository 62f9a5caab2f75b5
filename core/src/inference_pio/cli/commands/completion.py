"""``inference-pio completion``: the script that makes a shell complete commands, options and model names."""

from __future__ import annotations

import os
from pathlib import PurePath

import click

from ..command import build_command

SHELLS = ("bash", "zsh", "fish")
PROGRAMS = ("inference-pio", "ipio")

EXAMPLES = """
eval "$(inference-pio completion bash)"                                    # in ~/.bashrc
eval "$(inference-pio completion zsh)"                                     # in ~/.zshrc
inference-pio completion fish > ~/.config/fish/completions/inference-pio.fish
"""


@build_command("completion", examples=EXAMPLES)
@click.argument("shell", metavar="[SHELL]", type=click.Choice(SHELLS), required=False)
@click.pass_context
def command(ctx: click.Context, shell: str | None) -> None:
    """Print the script that completes commands and names.

    SHELL is bash, zsh or fish; without it, the one that the variable $SHELL names.
    """
    from click.shell_completion import get_completion_class

    shell = shell or _current_shell()
    kind = get_completion_class(shell)
    assert kind is not None, "SHELLS lists what click supports"
    group = ctx.find_root().command
    for program in PROGRAMS:
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        click.echo(kind(group, {}, program, variable).source())


def _current_shell() -> str:
    shell = PurePath(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise click.UsageError(f"say which shell: {', '.join(SHELLS)}. For example: inference-pio completion bash")
    return shell
