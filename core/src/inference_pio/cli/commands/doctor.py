"""``inference-pio doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..options import as_json
from ..terminal import write_json

if TYPE_CHECKING:
    from ...doctor import Report
    from ...hookspecs import DoctorFinding

EXAMPLES = """
inference-pio doctor
inference-pio doctor --strict                  # in CI: warnings count
inference-pio doctor --json | jq '.findings[] | select(.status != "ok")'
"""

EXIT_CODES = """
0  nothing is wrong, or there are only warnings
1  something is broken that you can mend; with --strict also: there are warnings
3  a plugin is defective (invalid, failed, quarantined, or its check broke); its author must mend it
"""


@build_command("doctor", examples=EXAMPLES, exit_codes=EXIT_CODES)
@option("--strict", is_flag=True, help="End with code 1 for warnings too.")
@as_json
@click.pass_context
def command(ctx: click.Context, strict: bool, as_json: bool) -> None:
    """Look for what does not work, and say how to mend it.

    The machine, the libraries, the folders, the installation, the plugins. Hook plugins are loaded, and the checks that
    they contribute are run, each for ten seconds at most.
    """
    from ...doctor import Report, core_findings, hook_findings
    from ...host import default_host
    from ..results import results_only

    with results_only() as out, _said_once():
        host = default_host()
        report = Report((*core_findings(host), *hook_findings(host)))
        if as_json:
            write_json(_as_data(report), out)
        else:
            from ..findings import draw_report

            click.echo(draw_report(report), file=out)
    ctx.exit(report.exit_code(strict=strict))


@contextlib.contextmanager
def _said_once() -> Iterator[None]:
    """Keep the host's warnings from standing above the findings that say the same."""
    host_logger = logging.getLogger("inference_pio.host")

    def is_new(record: logging.LogRecord) -> bool:
        return record.levelno != logging.WARNING

    host_logger.addFilter(is_new)
    try:
        yield
    finally:
        host_logger.removeFilter(is_new)


def _as_data(report: Report) -> dict[str, object]:
    return {
        "status": report.status,
        "summary": report.summary,
        "findings": [_finding_as_data(finding) for finding in report.findings],
    }


def _finding_as_data(finding: DoctorFinding) -> dict[str, object]:
    return {
        "group": finding.group,
        "code": finding.code,
        "name": finding.name,
        "status": finding.status,
        "message": finding.message,
        "fix": finding.fix,
        "data": dict(finding.data) if finding.data is not None else None,
    }
