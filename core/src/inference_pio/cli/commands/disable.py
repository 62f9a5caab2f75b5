"""``inference-pio disable``: a plugin that is never imported, until ``enable``."""

from __future__ import annotations

import click

from ..command import build_command
from ..completion import complete_all_plugins
from ..options import as_json
from ..switching import report_switches, switch

EXAMPLES = """
inference-pio disable gemma3
INFERENCE_PIO_DISABLE=gemma3 inference-pio list     # for one command
"""


@build_command("disable", examples=EXAMPLES)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_all_plugins)
@as_json
def command(names: tuple[str, ...], as_json: bool) -> None:
    """Switch plugins off: their code is never imported.

    NAME is a model's, a hook plugin's or a distribution's, in any spelling. Holds for this Python environment and every
    version of the plugin, until `enable`. Either all names are known or nothing is changed.
    """
    report_switches(switch(names, on=False), as_json=as_json)
