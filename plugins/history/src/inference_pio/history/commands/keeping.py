"""``logs on``, ``logs off``, ``logs keep``, ``logs path`` and ``logs status``: whether, how long and where."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from inference_pio.cli.command import build_command, option
from inference_pio.cli.options import as_json
from inference_pio.cli.table import draw_fields
from inference_pio.cli.terminal import note, write_json

days_option = option(
    "--days",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    help="Delete conversations that nothing was added to for N days.",
)
max_mb_option = option(
    "--max-mb",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    help="Delete the oldest while the history is larger than N megabytes.",
)


@build_command("on", examples="inference-pio logs on")
@as_json
def on_command(as_json: bool) -> None:
    """Keep runs and chats from now on."""
    _switch(True, as_json=as_json)


@build_command(
    "off", examples="inference-pio logs off\nINFERENCE_PIO_HISTORY=off inference-pio chat   # this time only"
)
@as_json
def off_command(as_json: bool) -> None:
    """Keep nothing from now on; what is there stays.

    `inference-pio logs clear` deletes it.
    """
    _switch(False, as_json=as_json)


@build_command("keep", examples="inference-pio logs keep --days 90 --max-mb 500\ninference-pio logs keep --forever")
@days_option
@max_mb_option
@option("--forever", is_flag=True, help="Take both limits away.")
@as_json
def keep_command(days: float | None, max_mb: float | None, forever: bool, as_json: bool) -> None:
    """Set how long the history goes back; without options, say so.

    The limits hold from the next run or chat on, once a day; `logs prune` does not wait.
    """
    from ..health import describe
    from ..preferences import load_kept_preferences, load_preferences, save_preferences

    if forever and (days is not None or max_mb is not None):
        raise click.UsageError("--forever takes the limits away that --days and --max-mb set")
    kept = load_kept_preferences()
    changed = dataclasses.replace(
        kept,
        days=None if forever else kept.days if days is None else days,
        max_mb=None if forever else kept.max_mb if max_mb is None else max_mb,
    )
    if changed != kept:
        save_preferences(changed)
    if as_json:
        write_json(describe(load_preferences()))
    else:
        note(f"The history keeps {_limits(load_preferences().days, changed.max_mb)}.")


@build_command("path", examples='sqlite-utils tables "$(inference-pio logs path)"')
@as_json
def path_command(as_json: bool) -> None:
    """Print where the history is."""
    from ..preferences import database_path

    if as_json:
        write_json({"path": str(database_path())})
    else:
        click.echo(database_path())


@build_command("status", examples="inference-pio logs status\ninference-pio logs status --json | jq .recording")
@as_json
@click.pass_context
def status_command(ctx: click.Context, as_json: bool) -> None:
    """Say what is kept, where, how much, and what is wrong.

    Ends with code 1 if something is wrong.
    """
    from ..health import check_history
    from ..preferences import switch_of_environment

    finding = check_history()
    data = {**(finding.data or {}), "status": finding.status, "message": finding.message, "fix": finding.fix}
    if as_json:
        write_json(data)
    else:
        click.echo(draw_fields(_fields(data, switch_of_environment())))
    if finding.status == "error":
        ctx.exit(1)


COMMANDS = (on_command, off_command, keep_command, path_command, status_command)


def _switch(recording: bool, *, as_json: bool) -> None:
    from ..preferences import SWITCH, load_kept_preferences, save_preferences, switch_of_environment

    save_preferences(dataclasses.replace(load_kept_preferences(), recording=recording))
    given = switch_of_environment()
    is_on = recording if given is None else given
    if as_json:
        write_json({"recording": is_on})
        return
    note("Runs and chats are kept from now on." if recording else "Nothing is kept from now on.")
    if given is not None and given != recording:
        note(f"In this shell {SWITCH} says otherwise, and counts.")


def _fields(data: dict[str, Any], given: bool | None) -> list[tuple[str, str]]:
    if data["status"] == "error":
        return [("recording", "off"), ("path", data["path"]), ("problem", data["message"]), ("fix", data["fix"])]
    by_whom = "" if given is None else " (INFERENCE_PIO_HISTORY)"
    fields = [
        ("recording", ("on" if data["recording"] else "off") + by_whom),
        ("path", data["path"]),
        ("conversations", str(data["conversations"])),
        ("size", f"{data['bytes'] / 1e6:.1f} MB"),
        ("keeps", _limits(data["days"], data["max_mb"])),
    ]
    return [*fields, ("warning", data["message"]), ("fix", data["fix"])] if data["status"] == "warning" else fields


def _limits(days: float | None, max_mb: float | None) -> str:
    limits = [f"{days:g} days"] if days is not None else []
    limits += [f"at most {max_mb:g} MB"] if max_mb is not None else []
    return ", ".join(limits) or "everything"
