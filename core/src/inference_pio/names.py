"""Names of plugins and distributions: one spelling inside, any spelling outside."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[-_.]+")


def canonical_name(name: str) -> str:
    """Return the one spelling of a name: lower case, words joined by ``-``.

    The rule of ``packaging.utils.canonicalize_name``, written out because importing that module costs more than
    reading a hundred manifests.
    """
    return _SEPARATORS.sub("-", name.strip()).lower()


def nearest_names(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """Return the known names that are spelled most like ``name``, best first; case does not count."""
    # Imported where something went wrong already: no other command should wait for it.
    import difflib

    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=limit)]
