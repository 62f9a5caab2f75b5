"""``logs delete``, ``logs clear`` and ``logs prune``."""

from __future__ import annotations

import dataclasses

import click

from inference_pio.cli.command import build_command, option
from inference_pio.cli.options import as_json
from inference_pio.cli.terminal import can_ask, note, write_json

from .keeping import days_option, max_mb_option
from .opening import count, is_there, number, opened_history


@build_command("delete", examples="inference-pio logs delete 12\ninference-pio logs delete 7 8 last")
@number
@click.argument("more", metavar="[ID]...", nargs=-1)
@as_json
def delete_command(number: str, more: tuple[str, ...], as_json: bool) -> None:
    """Delete conversations; nothing of them stays in the file."""
    from ..reading import find_number
    from ..retention import delete

    with opened_history() as db:
        removed = delete(db, [find_number(db, said) for said in (number, *more)])
    _tell(removed, as_json=as_json)


@build_command("clear", examples="inference-pio logs clear\ninference-pio logs clear --yes")
@option("--yes", is_flag=True, help="Do not ask.")
@as_json
def clear_command(yes: bool, as_json: bool) -> None:
    """Delete everything; nothing of it stays in the file."""
    from ..retention import clear

    if not yes:
        if not can_ask():
            raise click.UsageError("clear deletes the whole history; repeat with --yes")
        click.confirm("Delete every conversation?", abort=True, err=True)
    if not is_there():
        return _tell(0, as_json=as_json)
    with opened_history() as db:
        removed = clear(db)
    return _tell(removed, as_json=as_json)


@build_command("prune", examples="inference-pio logs prune\ninference-pio logs prune --days 30")
@days_option
@max_mb_option
@as_json
def prune_command(days: float | None, max_mb: float | None, as_json: bool) -> None:
    """Delete what is too old or too much, now.

    Without options: by what `logs keep` has set, which happens once a day anyway.
    """
    from ..preferences import load_preferences
    from ..retention import give_space_back, prune

    kept = load_preferences()
    limits = kept if days is None and max_mb is None else dataclasses.replace(kept, days=days, max_mb=max_mb)
    if limits.days is None and limits.max_mb is None:
        raise click.UsageError("there is no limit to prune by. Give one, or set one: inference-pio logs keep --days 90")
    if not is_there():
        return _tell(0, as_json=as_json)
    with opened_history() as db:
        removed = prune(db, limits)
        if removed:
            give_space_back(db)
    return _tell(removed, as_json=as_json)


COMMANDS = (delete_command, clear_command, prune_command)


def _tell(removed: int, *, as_json: bool) -> None:
    if as_json:
        write_json({"deleted": removed})
    else:
        note(f"Deleted {count(removed)}.")
