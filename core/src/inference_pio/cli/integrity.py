"""What ``lock`` and ``verify`` share: which distributions, how far the work is, and how findings look."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from .progress import PATIENCE_S, ProgressDisplay
from .terminal import styled

if TYPE_CHECKING:
    from ..installed import Installed
    from ..integrity import Finding

_COLOURS = {"info": "cyan", "warning": "yellow", "error": "red"}


def covered(installed: Installed, with_dependencies: bool) -> list[str]:
    """Names of the distributions that a lock covers.

    Raises:
        InferencePioError: There are none.
    """
    from .. import integrity
    from ..errors import InferencePioError

    names = integrity.plugin_distributions(installed)
    if not names:
        raise InferencePioError(
            "neither inference-pio nor a plugin is installed here as a distribution, so there is nothing to look at. "
            "Install them with pip"
        )
    return integrity.with_dependencies(installed, names) if with_dependencies else names


@contextlib.contextmanager
def scan_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that shows how many bytes are read, once that takes longer than a moment."""
    from ..generation import ProgressEvent

    started = time.monotonic()
    with ProgressDisplay("installed files") as display:

        def show(done: int, total: int) -> None:
            if time.monotonic() - started > PATIENCE_S:
                display(ProgressEvent(stage="verify", done=done, total=total, unit="bytes"))

        yield show


def as_data(found: Sequence[Finding]) -> list[dict[str, object]]:
    """Return findings for programs."""
    return [
        {
            "code": f.code,
            "severity": f.severity,
            "counts": f.counts,
            "distribution": f.dist or None,
            "path": f.path or None,
            "message": f.message,
            "fix": f.fix,
        }
        for f in found
    ]


def draw_findings(found: Sequence[Finding]) -> str:
    """Return one line for each finding, then for each of their codes what to do about it."""
    width = max((len(f.code) for f in found), default=0)
    lines = []
    for finding in found:
        code = styled(f"{finding.code:<{width}}", sys.stdout, fg=_COLOURS[finding.severity])
        words = (finding.dist, finding.path, finding.message, "(accepted)" if finding.is_accepted else "")
        # Of a hostile RECORD a path may hold anything that moves the cursor.
        lines.append(f"{code}  {' '.join(_printable(word) for word in words if word)}")
    fixes = {finding.code: finding.fix for finding in found if not finding.is_accepted}
    lines += [""] if fixes else []
    lines += [f"{styled('fix', sys.stdout, bold=True)} {code}: {fix}" for code, fix in sorted(fixes.items())]
    return "\n".join(lines)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
