"""What the site says that nobody writes by hand: pages rendered from the code that they describe.

A page in docs/ marks the place with a comment, ``<!-- render: codes -->``. On disk it stays a page of its own: links to
it work everywhere, and it says which command prints the same in a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from inference_pio.manifest_reference import manifest_reference

from .codes import codes_page
from .commands import commands_page
from .errors import errors_page, exit_codes_table
from .hooks import hooks_page

RENDERERS: dict[str, Callable[[], str]] = {
    "codes": codes_page,
    "commands": commands_page,
    "errors": errors_page,
    "exit-codes": exit_codes_table,
    "hooks": hooks_page,
    "manifest": manifest_reference,
}
MARK = re.compile(r"^<!-- render: (\S+) -->$", re.MULTILINE)


def render_marks(markdown: str) -> str:
    """Put what the code says in the places that a page marks.

    Raises:
        KeyError: A mark names something that nobody renders.
    """
    return MARK.sub(lambda mark: RENDERERS[mark[1]](), markdown)
