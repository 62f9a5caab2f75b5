"""``inference-pio doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..command import build_command
from ..options import as_json
from ..terminal import styled, write_json

if TYPE_CHECKING:
    from ...hookspecs import DoctorFinding

EXAMPLES = """
inference-pio doctor
inference-pio doctor --json | jq '.findings[] | select(.status != "ok")'
"""

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@build_command("doctor", examples=EXAMPLES)
@as_json
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Look for what does not work, and say how to mend it.

    The machine, the versions, the plugins, and whatever plugins check themselves. Ends with code 1 for an error.
    """
    from ...doctor import core_findings, hook_findings
    from ...host import default_host
    from ..results import results_only

    with results_only() as out:
        findings = core_findings(default_host()) + hook_findings(default_host())
        worst = max((f.status for f in findings), key=list(_COLOURS).index, default="ok")
        if as_json:
            write_json({"status": worst, "findings": [_as_data(f) for f in findings]}, out)
        else:
            click.echo(_draw(findings), file=out)
    if worst == "error":
        ctx.exit(1)


def _as_data(finding: DoctorFinding) -> dict[str, object]:
    return {
        "name": finding.name,
        "status": finding.status,
        "message": finding.message,
        "fix": finding.fix,
        "data": dict(finding.data) if finding.data is not None else None,
    }


def _draw(findings: Sequence[DoctorFinding]) -> str:
    longest = max((len(f.name) for f in findings), default=0)
    lines = []
    for finding in findings:
        status = styled(f"{finding.status:<7}", sys.stdout, fg=_COLOURS[finding.status])
        lines.append(f"{status}  {finding.name:<{longest}}  {finding.message}")
        if finding.fix:
            lines.append(f"{'':{11 + longest}}{styled('fix:', sys.stdout, bold=True)} {finding.fix}")
    return "\n".join(lines)
