"""One difference between GitHub's Markdown and that of the site: a pipe in code, in a table.

GitHub ends the cell at each pipe that has no backslash, and drops the backslash. Python-Markdown leaves code alone, and
shows the backslash.
"""

from __future__ import annotations

import re

_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE = re.compile(r"(`+)(.+?)\1")


def plain_pipes(markdown: str) -> str:
    r"""Turn ``\|`` into ``|`` where it stands in code in a row of a table."""
    return _ROW.sub(lambda row: _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), markdown)
