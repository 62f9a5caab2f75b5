"""``inference-pio verify``: is what is installed still what was locked?"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..integrity import as_data, covered, draw_findings, scan_progress
from ..options import as_json
from ..table import draw_table
from ..terminal import note, styled, write_json

if TYPE_CHECKING:
    from ...integrity import Finding, Inventory, Lock
    from ...integrity.dist_state import DistState

EXAMPLES = """
inference-pio verify                         # against inference-pio.lock.json, else against RECORD alone
inference-pio verify deploy/lock.json --json | jq '.findings[] | select(.counts)'
inference-pio verify --allow-editable        # on the machine of a developer
"""


@build_command("verify", examples=EXAMPLES)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@option("--allow-editable", is_flag=True, help="Accept editable installs, of which nothing can be said.")
@option("--with-dependencies", is_flag=True, help="Without a lock file: check all that the plugins need, too.")
@as_json
@click.pass_context
def command(
    ctx: click.Context, file: Path | None, allow_editable: bool, with_dependencies: bool, as_json: bool
) -> None:
    """Compare what is installed with the lock FILE and with RECORD.

    Every file is read again, and each that changed, is missing, or should not be there is named. No plugin code is run.
    Ends with code 1 when anything differs or cannot be verified, 2 when FILE is missing or broken.
    """
    from ...installed import scan_installed
    from ...integrity import compare, take_inventory

    lock, path = _lock(file)
    installed = scan_installed()
    names = covered(installed, lock.scope == "dependencies" if lock else with_dependencies)
    locked = {dist.name: [entry.path for entry in dist.files] for dist in lock.distributions} if lock else {}
    with scan_progress() as progress:
        inventory = take_inventory(installed, [*names, *locked], more=locked, progress=progress)
    found = compare(lock, inventory, set(names)) if lock else inventory.findings
    if allow_editable:
        found = [_accepted(finding, inventory) for finding in found]
    if as_json:
        write_json(_as_data(inventory, found, path))
    else:
        _draw(inventory, found, path)
    if any(finding.counts for finding in found):
        ctx.exit(1)


def _lock(file: Path | None) -> tuple[Lock | None, Path | None]:
    """Read the lock file; without one in the default place there is none."""
    from ...integrity import DEFAULT_NAME, read_lock

    if file is None and not Path(DEFAULT_NAME).exists():
        note(f"no {DEFAULT_NAME} here: comparing with RECORD alone, which whoever changes a file can change too")
        return None, None
    path = file or Path(DEFAULT_NAME)
    return read_lock(path), path


def _accepted(finding: Finding, inventory: Inventory) -> Finding:
    state = inventory.states.get(finding.dist)
    is_editable = state is not None and state.origin.kind == "editable"
    return dataclasses.replace(finding, is_accepted=is_editable and finding.code == "not-verifiable")


def _as_data(inventory: Inventory, found: Sequence[Finding], path: Path | None) -> dict[str, object]:
    bad = {finding.dist for finding in found if finding.counts}
    return {
        "ok": not any(finding.counts for finding in found),
        "lock_file": str(path) if path else None,
        "distributions": [
            {"name": s.name, "version": s.version, "files": s.files_read, "ok": s.name not in bad}
            for s in inventory.states.values()
        ],
        "findings": as_data(found),
    }


def _draw(inventory: Inventory, found: Sequence[Finding], path: Path | None) -> None:
    counting = [finding for finding in found if finding.counts]
    rows = [(s.name, s.version, str(s.files_read), _result(s, found, path)) for s in inventory.states.values()]
    if rows:
        click.echo(draw_table(("DISTRIBUTION", "VERSION", "FILES", "RESULT"), rows))
    if found:
        click.echo(f"\n{draw_findings(found)}")
    if counting:
        number = f"{len(counting)} finding{'s' if len(counting) > 1 else ''}"
        click.echo(styled(f"\n{number}", sys.stdout, fg="red", bold=True))


def _result(state: DistState, found: Sequence[Finding], path: Path | None) -> str:
    if any(finding.counts and finding.dist == state.name for finding in found):
        return "not verifiable" if state.not_verifiable else "differs"
    if state.not_verifiable:
        return "not verifiable, accepted"
    return "as locked" if path else "as in RECORD"
