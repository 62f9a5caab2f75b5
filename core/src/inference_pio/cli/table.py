"""Plain text tables. rich would draw them too, and cost more time than everything else in ``list`` together."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .terminal import is_terminal, styled, width


def draw_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns. On a terminal the last one is cut at the right edge; in a pipe nothing is cut."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header) - 1)]
    lines = [_line(row, widths) for row in (header, *rows)]
    if is_terminal(sys.stdout):
        lines = [_cut(line, width()) for line in lines]
    lines[0] = styled(lines[0], sys.stdout, bold=True)
    return "\n".join(lines)


def draw_fields(fields: Sequence[tuple[str, str]], *, indent: int = 2) -> str:
    """Return names and values, one a line, the values aligned."""
    longest = max((len(name) for name, _ in fields), default=0)
    return "\n".join(f"{'':{indent}}{name:<{longest}}  {value}".rstrip() for name, value in fields)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    *cells, last = row
    return "  ".join([*(f"{cell:<{columns}}" for cell, columns in zip(cells, widths, strict=True)), last]).rstrip()


def _cut(line: str, columns: int) -> str:
    return line if len(line) <= columns else line[: columns - 1] + "…"
