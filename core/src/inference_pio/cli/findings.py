"""How ``doctor``'s findings look: in sections, the status in front, what to do below."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..doctor.report import GROUPS
from .terminal import is_terminal, styled, width

if TYPE_CHECKING:
    from ..doctor import Report
    from ..hookspecs import DoctorFinding

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
_WIDEST_NAME = 24
"""Columns; a longer name pushes its own message to the right, and nobody else's."""
_LEAST_TEXT = 40
"""Columns; a terminal that leaves less than this for a message is not wrapped for."""


def draw_report(report: Report) -> str:
    """Return all findings by section, and one line that counts them."""
    column = min(max((len(finding.name) for finding in report.findings), default=0), _WIDEST_NAME)
    sections = []
    for group in GROUPS:
        lines = [line for finding in report.in_group(group) for line in _draw(finding, column)]
        if lines:
            sections.append("\n".join([styled(group, sys.stdout, bold=True), *lines]))
    return "\n\n".join([*sections, _count(report)])


def _draw(finding: DoctorFinding, column: int) -> Iterator[str]:
    status = styled(f"{finding.status:<7}", sys.stdout, fg=_COLOURS[finding.status])
    name = f"{finding.name:<{column}}"
    indent = 2 + 7 + 2 + column + 2
    first, *rest = _wrapped(finding.message, indent)
    yield f"  {status}  {name}  {first}".rstrip()
    yield from (f"{'':{indent}}{line}" for line in rest)
    if finding.fix:
        first, *rest = _wrapped(finding.fix, indent + len("fix: "))
        yield f"{'':{indent}}{styled('fix:', sys.stdout, bold=True)} {first}"
        yield from (f"{'':{indent + len('fix: ')}}{line}" for line in rest)


def _wrapped(text: str, indent: int) -> list[str]:
    """Return lines that fit the terminal; in a pipe one line, so that ``grep`` shows all of it.

    Words are never broken: whoever copies a path or a command wants all of it.
    """
    line = " ".join(text.split())
    columns = width() - indent
    if not is_terminal(sys.stdout) or columns < _LEAST_TEXT:
        return [line]
    return textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) or [""]


def _count(report: Report) -> str:
    words = {"ok": "fine", "warning": "warning", "error": "error"}
    parts = []
    for status, count in report.summary.items():
        if count or status == "ok":
            plural = "s" if count != 1 and status != "ok" else ""
            parts.append(styled(f"{count} {words[status]}{plural}", sys.stdout, fg=_COLOURS[status]))
    return ", ".join(parts)
