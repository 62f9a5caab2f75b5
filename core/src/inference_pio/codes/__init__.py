"""Every code that a state, a finding or a check can carry: what a program may rely on, and what its page says.

A code never changes its meaning. Each part of the host keeps its own table beside this file; the reference page of
the documentation and ``inference-pio explain CODE`` are rendered from them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Code:
    """What one code means.

    Attributes:
        name: Lower case, words joined by ``-``.
        severity: How much it matters where it is reported.
        meaning: When it is reported and why that matters; whole sentences, Markdown.
        fix: What to do about it; whole sentences, Markdown.
    """

    name: str
    severity: Severity
    meaning: str
    fix: str


@dataclass(frozen=True)
class CodeTable:
    """The codes of one part of the host.

    Attributes:
        title: Heading of the table.
        about: What reports them; one sentence.
        codes: In the order of the page.
    """

    title: str
    about: str
    codes: tuple[Code, ...]


@cache
def tables() -> tuple[CodeTable, ...]:
    """Return all tables, by name of their module: each module beside this one has a ``TABLE``."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f".{name}", __name__).TABLE for name in names)


@cache
def all_codes() -> dict[str, Code]:
    """Return all codes by name."""
    return _by_name(code for table in tables() for code in table.codes)


def _by_name(codes: Iterable[Code]) -> dict[str, Code]:
    found: dict[str, Code] = {}
    for code in codes:
        assert code.name not in found, f"the code {code.name} stands twice"
        found[code.name] = code
    return found
