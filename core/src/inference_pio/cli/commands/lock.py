"""``inference-pio lock``: write down what is installed, file by file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..integrity import as_data, covered, draw_findings, scan_progress
from ..options import OUTPUT, as_json
from ..terminal import note, write_json

if TYPE_CHECKING:
    from ...integrity import Inventory, Lock

EXAMPLES = """
inference-pio lock                           # writes inference-pio.lock.json
inference-pio lock --with-dependencies       # torch and all else that plugins need, too
inference-pio lock -o - | jq '.distributions[] | {name, version, origin}'
"""


@build_command("lock", examples=EXAMPLES)
@option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    section=OUTPUT,
    help="Where to write; - is standard output. Default: inference-pio.lock.json here.",
)
@option("--with-dependencies", is_flag=True, help="Lock all that the plugins need, too.")
@option("--force", is_flag=True, help="Lock although files differ from RECORD; verify accepts them as they are.")
@as_json
@click.pass_context
def command(ctx: click.Context, output: str | None, with_dependencies: bool, force: bool, as_json: bool) -> None:
    """Write down what is installed, so that verify can compare.

    The host and every plugin: version, origin, entry points, manifest, and the hash of each file. Files that differ
    from RECORD already are not locked. No plugin code is run.
    """
    from ...installed import scan_installed
    from ...integrity import DEFAULT_NAME, build_lock, obstacles, take_inventory

    if output == "-" and as_json:
        raise click.UsageError("-o - prints the lock itself, which is JSON; leave --json out", ctx)
    installed = scan_installed()
    with scan_progress() as progress:
        inventory = take_inventory(installed, covered(installed, with_dependencies), progress=progress)
    found = obstacles(inventory)
    lock = build_lock(inventory, "dependencies" if with_dependencies else "plugins")
    is_refused = bool(found) and not force
    path = output or DEFAULT_NAME
    if not is_refused:
        _write(path, lock)
    if as_json:
        write_json({"path": None if is_refused else path, **_counts(lock), "findings": as_data(found)})
    else:
        if not is_refused:
            _tell(inventory, lock, path)
        if found:
            note(draw_findings(found))
    if is_refused:
        note("nothing was locked. To lock these files as they are: inference-pio lock --force")
        ctx.exit(1)


def _write(path: str, lock: Lock) -> None:
    from ...integrity import render_lock, write_lock

    if path == "-":
        click.echo(render_lock(lock), nl=False)
    else:
        write_lock(Path(path), lock)


def _counts(lock: Lock) -> dict[str, object]:
    return {
        "distributions": len(lock.distributions),
        "files": sum(len(dist.files) for dist in lock.distributions),
        "not_verifiable": [dist.name for dist in lock.distributions if dist.not_verifiable],
    }


def _tell(inventory: Inventory, lock: Lock, path: str) -> None:
    """Say on standard error what a lock holds, and what it cannot hold."""
    files = sum(len(dist.files) for dist in lock.distributions)
    plural = "" if len(lock.distributions) == 1 else "s"
    where = "standard output" if path == "-" else path
    note(f"{len(lock.distributions)} distribution{plural}, {files} files -> {where}")
    for state in inventory.states.values():
        if state.not_verifiable:
            note(f"not verifiable: {state.name} {state.version} {state.not_verifiable}")
