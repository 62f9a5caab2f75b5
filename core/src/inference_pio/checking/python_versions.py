"""Which Pythons a specifier accepts, as minor versions: what two specifiers have in common can be compared so."""

from __future__ import annotations

from collections.abc import Iterable

from ..gates import satisfies
from ..manifest_rules import is_specifier

HOST_PYTHON = ">=3.10"
"""What the host needs, and so every plugin."""

MINORS = tuple((3, minor) for minor in range(7, 31))
"""Every Python that can matter, and some that do not exist yet."""


def accepted(specifier: str) -> list[tuple[int, int]]:
    """Return the minor versions of which a late patch release satisfies a specifier; all for one that is none."""
    if not is_specifier(specifier):
        return list(MINORS)
    return [(major, minor) for major, minor in MINORS if satisfies(f"{major}.{minor}.99", specifier)]


def oldest(specifiers: Iterable[str]) -> tuple[int, int]:
    """Return the oldest minor version that all specifiers accept; the oldest of all when they have none in common."""
    common = set(MINORS).intersection(*map(accepted, specifiers))
    return min(common, default=MINORS[0])
