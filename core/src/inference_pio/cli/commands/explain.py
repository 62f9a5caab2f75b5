"""``inference-pio explain``: what a code means and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..command import build_command
from ..completion import complete_codes
from ..options import as_json
from ..terminal import styled, write_json

if TYPE_CHECKING:
    from ...codes import Code, CodeTable

EXAMPLES = """
inference-pio explain
inference-pio explain heavy-import
inference-pio explain --json | jq '.codes[].name'
"""


@build_command("explain", examples=EXAMPLES)
@click.argument("code", required=False, shell_complete=complete_codes)
@as_json
def command(code: str | None, as_json: bool) -> None:
    """Explain CODE, which some command printed, or list all.

    `check`, `doctor`, `why-not`, `verify` and others report codes.
    """
    from ...codes import all_codes, tables

    if code is not None:
        found = _find(code, all_codes())
        if as_json:
            write_json(_as_data(found))
        else:
            click.echo(_draw(found))
    elif as_json:
        write_json(
            {"codes": [{**_as_data(known), "table": table.title} for table in tables() for known in table.codes]}
        )
    else:
        click.echo("\n\n".join(_draw_table(table) for table in tables() if table.codes))


def _find(name: str, known: dict[str, Code]) -> Code:
    from ...errors import UsageError
    from ...names import nearest_names

    code = known.get(name.strip().lower())
    if code is None:
        nearest = nearest_names(name, known)
        hint = f"Did you mean {' or '.join(map(repr, nearest))}?" if nearest else "See all: inference-pio explain"
        raise UsageError(f"there is no code {name!r}. {hint}")
    return code


def _as_data(code: Code) -> dict[str, str]:
    return {"name": code.name, "severity": code.severity, "meaning": code.meaning, "fix": code.fix}


def _draw(code: Code) -> str:
    fix = f"\n{styled('fix:', sys.stdout, bold=True)} {code.fix}" if code.fix else ""
    return f"{styled(code.name, sys.stdout, bold=True)} ({code.severity})\n{code.meaning}{fix}"


def _draw_table(table: CodeTable) -> str:
    longest = max(len(code.name) for code in table.codes)
    lines = [f"  {code.name:<{longest}}  {code.severity:<7}  {_first_sentence(code.meaning)}" for code in table.codes]
    return "\n".join([styled(table.title, sys.stdout, bold=True), *lines])


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].partition(": ")[0].rstrip(".")
