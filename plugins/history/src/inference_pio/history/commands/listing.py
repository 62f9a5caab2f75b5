"""``logs list`` and ``logs search``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import click

from inference_pio.cli.command import build_command, option
from inference_pio.cli.options import as_json
from inference_pio.cli.table import draw_table
from inference_pio.cli.terminal import note, write_json

from .opening import is_there, opened_history

LIMIT = 20
_LONGEST_PROMPT = 200
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """A moment: a date, a date with a time (local), or how long ago."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the moment as it is stored."""
        from ..records import stamp

        span = re.fullmatch(r"(\d{1,6})([mhdw])", value)
        try:
            if span:
                return stamp(datetime.now(timezone.utc) - timedelta(**{_SPANS[span[2]]: int(span[1])}))
            return stamp(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a date (2026-11-24, 2026-11-24T18:00) nor a time ago (30m, 12h, 7d, 2w)")


_model = option("--model", metavar="NAME", help="Only conversations with this model.")
_since = option("--since", metavar="WHEN", type=Since(), help="A date, or how long ago: 2026-11-24, 30m, 12h, 7d, 2w.")
_limit = option(
    "--limit", metavar="N", type=click.IntRange(min=0), default=LIMIT, help="The newest N; 0 is all. Default: 20."
)


@build_command("list", examples="inference-pio logs list --since 7d\ninference-pio logs list --model gemma3 --limit 0")
@_model
@_since
@_limit
@as_json
def list_command(model: str | None, since: str | None, limit: int, as_json: bool) -> None:
    """List conversations, the newest first.

    Each run is one, and so is each chat.
    """
    _print(_find(model=model, since=since, text=None, limit=limit), as_json=as_json)


@build_command("search", examples='inference-pio logs search rayleigh\ninference-pio logs search "blue sky" --json')
@click.argument("text", nargs=-1, required=True)
@_model
@_since
@_limit
@as_json
def search_command(text: tuple[str, ...], model: str | None, since: str | None, limit: int, as_json: bool) -> None:
    """Find conversations in which all words of TEXT were said.

    In one message or its answer, whole words, capitals do not matter. Where there are none, TEXT is looked for as it
    stands, as a part of a longer text. No sign in TEXT has a special meaning.
    """
    _print(_find(model=model, since=since, text=" ".join(text), limit=limit), as_json=as_json)


COMMANDS = (list_command, search_command)


def _find(*, model: str | None, since: str | None, text: str | None, limit: int) -> list[dict[str, Any]] | None:
    """The conversations; ``None`` when there is no history yet, which has been said then."""
    if not is_there():
        return None
    from ..reading import Filter, list_conversations

    with opened_history() as db:
        return list_conversations(db, Filter(model=model, since=since, text=text, limit=limit or None))


def _print(found: list[dict[str, Any]] | None, *, as_json: bool) -> None:
    from ..exporting import local_time

    if as_json:
        write_json({"conversations": found or []})
    elif found:
        rows = [
            (str(c["id"]), local_time(c["updated"]), c["model"], str(c["turns"]), _line(c["prompt"])) for c in found
        ]
        click.echo(draw_table(("ID", "WHEN", "MODEL", "TURNS", "BEGINS WITH"), rows))
    elif found is not None:
        note("Nothing found.")


def _line(text: str) -> str:
    line = " ".join(text[: 2 * _LONGEST_PROMPT].split())
    return line if len(line) <= _LONGEST_PROMPT else f"{line[: _LONGEST_PROMPT - 1]}…"
