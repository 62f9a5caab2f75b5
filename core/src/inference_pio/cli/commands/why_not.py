"""``inference-pio why-not``: every gate that a plugin passed or failed, in order, with the fix."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import click

from ..command import build_command
from ..completion import complete_all_plugins
from ..options import as_json
from ..records import KINDS, describe_record
from ..terminal import styled, write_json

if TYPE_CHECKING:
    from ...host_state import PluginKind
    from ...records import PluginRecord
    from ...why_not import GateAnswer

EXAMPLES = """
inference-pio why-not gemma3
inference-pio why-not gemma3 --json | jq '.plugins[].gates[] | select(.status == "failed")'
"""

_COLOURS = {"passed": "green", "failed": "red", "not-asked": "bright_black"}


@build_command("why-not", examples=EXAMPLES)
@click.argument("name", metavar="NAME", shell_complete=complete_all_plugins)
@as_json
@click.pass_context
def command(ctx: click.Context, name: str, as_json: bool) -> None:
    """Say why the plugin NAME can or cannot run here.

    Every gate in order: passed, failed with the fix, or not asked since an earlier one failed. Works for models, for
    hook plugins, and for the name of a distribution. No plugin code is run.

    Exit code: 0 nothing stands in its way; 1 it cannot run here, and you can change that; 2 there is no such plugin;
    3 it is defective or was put aside.
    """
    from ...host import default_host
    from ...why_not import gate_answers

    plugins = [(kind, record, gate_answers(kind, record)) for kind, record in default_host().named(name)]
    if as_json:
        write_json({"plugins": [_as_data(*plugin) for plugin in plugins]})
    else:
        click.echo("\n\n".join(_draw(*plugin) for plugin in plugins))
    ctx.exit(max(_exit_code(record) for _, record, _ in plugins))


def _exit_code(record: PluginRecord) -> int:
    from ...records import PluginState

    if record.is_usable:
        return 0
    return 1 if record.state in (PluginState.DISABLED, PluginState.INCOMPATIBLE) else 3


def _as_data(kind: PluginKind, record: PluginRecord, answers: tuple[GateAnswer, ...]) -> dict[str, Any]:
    return {"kind": kind, **describe_record(record), "gates": [dataclasses.asdict(answer) for answer in answers]}


def _draw(kind: PluginKind, record: PluginRecord, answers: tuple[GateAnswer, ...]) -> str:
    lines = [styled(f"{record.name} ({record.dist}, {KINDS[kind]}): {record.state}", sys.stdout, bold=True)]
    for answer in answers:
        status = styled(f"{answer.status:<9}", sys.stdout, fg=_COLOURS[answer.status])
        lines.append(f"  {status}  {answer.gate:<12}  {answer.message}")
        for reason in answer.reasons:
            if answer.status == "passed":
                lines.append(f"{'':27}{styled('but:', sys.stdout, fg='yellow')} {reason.message}")
            if reason.fix:
                lines.append(f"{'':27}{styled('fix:', sys.stdout, bold=True)} {reason.fix}")
    if record.is_usable:
        lines.append("nothing keeps it from running")
    return "\n".join(lines)
