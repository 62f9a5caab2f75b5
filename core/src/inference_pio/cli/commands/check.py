"""``inference-pio check``: what is wrong with a plugin, before anybody installs it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..completion import complete_targets
from ..options import as_json
from ..terminal import styled, write_json

if TYPE_CHECKING:
    from ...checking import CheckReport, Finding

EXAMPLES = """
inference-pio check .
inference-pio check dist/inference_pio_qwen3-0.1.0-py3-none-any.whl --import
inference-pio check smollm2 --json | jq .findings
inference-pio explain heavy-import
"""

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
_DEFECT = 3


@build_command("check", examples=EXAMPLES)
@click.argument("target", metavar="PATH|WHEEL|NAME", shell_complete=complete_targets)
@option("--import", "import_", is_flag=True, help="Also import it and call its factory, in a process of its own.")
@option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=60.0,
    metavar="SECONDS",
    help="How long importing one plugin may take; default: 60.",
)
@option("--strict", is_flag=True, help="Warnings count as errors.")
@as_json
@click.pass_context
def command(ctx: click.Context, target: str, import_: bool, timeout_s: float, strict: bool, as_json: bool) -> None:
    """Check a plugin: a project, a wheel, or what is installed.

    Source distributions too. Manifest, entry point, metadata, the syntax tree of its code, the structure of a model,
    what a wheel holds. No code of the plugin runs, unless --import asks for it. Ends with code 3 when there is an
    error.
    """
    from ...checking import check_target

    report = check_target(target, import_=import_, timeout_s=timeout_s)
    if as_json:
        write_json(report.as_data())
    else:
        click.echo(_draw(report))
    if not report.is_ok or (strict and report.counts["warning"]):
        ctx.exit(_DEFECT)


def _draw(report: CheckReport) -> str:
    blocks = [_draw_finding(finding) for finding in report.findings]
    return "\n".join([*blocks, _summary(report)])


def _draw_finding(finding: Finding) -> str:
    head = styled(f"{finding.severity}: {finding.code}", sys.stdout, fg=_COLOURS[finding.severity], bold=True)
    lines = [f"{head}  {finding.where}".rstrip(), f"  {finding.message}"]
    if finding.fix:
        lines.append(f"  {styled('fix:', sys.stdout, bold=True)} {finding.fix}")
    return "\n".join(lines)


def _summary(report: CheckReport) -> str:
    counted = [f"{count} {name}{'s' if count != 1 and name != 'info' else ''}" for name, count in report.counts.items()]
    verdict = "has errors" if not report.is_ok else "is fine" if not report.counts["warning"] else "works"
    plugins = f" ({', '.join(report.plugins)})" if report.plugins else ""
    colour = "red" if not report.is_ok else "green"
    return styled(f"{report.dist or report.target}{plugins} {verdict}: {', '.join(counted)}", sys.stdout, fg=colour)
