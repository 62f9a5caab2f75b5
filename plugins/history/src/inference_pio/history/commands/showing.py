"""``logs show`` and ``logs export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inference_pio.cli.command import build_command, option
from inference_pio.cli.options import as_json
from inference_pio.cli.terminal import note, write_json

from .opening import count, number, numbers, opened_history

if TYPE_CHECKING:
    from sqlite_utils import Database


@build_command(
    "show", examples="inference-pio logs show last\ninference-pio logs show 12 --json | jq .turns[-1].answer"
)
@number
@as_json
def show_command(number: str, as_json: bool) -> None:
    """Show conversation ID; `last` is the newest."""
    from ..exporting import as_markdown

    with opened_history() as db:
        (conversation,) = _read(db, (number,))
    if as_json:
        write_json(conversation)
    else:
        click.echo(as_markdown([conversation]), nl=False)


@build_command(
    "export",
    examples="""
    inference-pio logs export -o history.json
    inference-pio logs export 12 last --format markdown
    inference-pio logs export --format jsonl | jq -r .turns[].answer
    """,
)
@numbers
@option(
    "--format",
    "form",
    type=click.Choice(["json", "jsonl", "markdown"]),
    default="json",
    help="json (one document), jsonl (a line for each conversation) or markdown. Default: json.",
)
@option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Default: print it.")
@option("--json", "as_json", is_flag=True, help="The same as --format json.")
def export_command(numbers: tuple[str, ...], form: str, output: Path | None, as_json: bool) -> None:
    """Write conversations out: those named by ID, or all.

    The oldest first. FILE is replaced as a whole or not at all.
    """
    from ..exporting import EXPORTERS

    with opened_history() as db:
        conversations = _read(db, numbers or _all(db))
    text = EXPORTERS["json" if as_json else form](conversations)
    if output is None:
        # Bytes: an export is UTF-8 whatever the terminal's encoding is.
        sys.stdout.buffer.write(text.encode())
    else:
        _write(output, text)
        note(f"Wrote {count(len(conversations))} to {output}")


COMMANDS = (show_command, export_command)


def _all(db: Database) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in db.execute("SELECT id FROM conversations ORDER BY started, id").fetchall())


def _read(db: Database, numbers: tuple[str, ...]) -> list[dict[str, Any]]:
    from ..reading import find_number, read_conversation

    return [read_conversation(db, found) for found in dict.fromkeys(find_number(db, number) for number in numbers)]


def _write(path: Path, text: str) -> None:
    from inference_pio.atomic_files import write_atomically
    from inference_pio.errors import UsageError

    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
