"""The levels of conformance, and which of them a set of results reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .report import TestOutcome

LEVELS = ("static", "load", "behaviour", "parity")
"""From what can be seen without running the plugin to what only another implementation can tell."""

MARKER = "conformance"
"""Name of the marker that says a test's level."""

NEEDS = ("weights", "gpu", "slow")
"""Markers of tests that not every machine can run: such a test counts when it ran, and its absence does not."""


NOT_APPLICABLE = "does not apply: "
"""How the message of a test begins that was skipped by ``does_not_apply``."""


def reached_level(results: Mapping[str, Sequence[TestOutcome]]) -> str | None:
    """Return the highest level that holds together with all levels below it; ``None`` when not even the first does.

    A level holds when a test of it passed, and nothing stands against it: a failure, or a test that was skipped
    although any machine could run it (the reference is not installed, say).

    Args:
        results: Outcomes by level.
    """
    reached = None
    for level in LEVELS:
        outcomes = results.get(level, ())
        if not any(found.outcome == "passed" for found in outcomes) or any(found.is_objection for found in outcomes):
            break
        reached = level
    return reached
