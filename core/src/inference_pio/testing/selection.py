"""What a test's markers say."""

from __future__ import annotations

import pytest

from .levels import LEVELS, MARKER, NEEDS


def level_of(item: pytest.Item) -> str | None:
    """Return the level that a test counts towards; the marker nearest to it decides. ``None``: to none.

    Raises:
        UsageError: The marker names no level.
    """
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    if len(marker.args) != 1 or marker.kwargs or marker.args[0] not in LEVELS:
        raise pytest.UsageError(
            f"{item.nodeid}: the marker {MARKER} takes one of {', '.join(LEVELS)}; it has {marker.args}"
        )
    level: str = marker.args[0]
    return level


def need_of(item: pytest.Item) -> str:
    """Return what a test needs that not every machine has; empty: nothing."""
    return next((name for name in NEEDS if item.get_closest_marker(name)), "")
