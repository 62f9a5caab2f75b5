"""``inference-pio enable``: undo ``disable``, and give a plugin that was put aside another chance."""

from __future__ import annotations

import click

from ..command import build_command
from ..completion import complete_all_plugins
from ..options import as_json
from ..switching import report_switches, switch

EXAMPLES = """
inference-pio enable gemma3
inference-pio enable inference-pio-history      # a distribution: all that it ships
"""


@build_command("enable", examples=EXAMPLES)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_all_plugins)
@as_json
def command(names: tuple[str, ...], as_json: bool) -> None:
    """Switch plugins on again.

    Takes back `disable`, and forgets the failures of a plugin that was put aside. What a variable switches off
    (INFERENCE_PIO_DISABLE, INFERENCE_PIO_PLUGINS) stays off, and is said. Holds for this Python environment.
    """
    report_switches(switch(names, on=True), as_json=as_json)
