"""Which level a set of results reaches."""

import pytest

from inference_pio.testing.levels import LEVELS, reached_level
from inference_pio.testing.report import TestOutcome

PASSED = TestOutcome(name="passed", outcome="passed")
FAILED = TestOutcome(name="failed", outcome="failed")
NO_REFERENCE = TestOutcome(name="skipped", outcome="skipped", message="there is no reference")
NO_WEIGHTS = TestOutcome(name="real", outcome="skipped", message="needs a download", needs="weights")
NO_FEATURE = TestOutcome(name="feature", outcome="skipped", message="does not apply: there are no experts")
BROKEN_WEIGHTS = TestOutcome(name="real", outcome="failed", needs="weights")


@pytest.mark.parametrize(
    ("results", "level"),
    [
        ([[PASSED], [PASSED], [PASSED], [PASSED]], "parity"),
        ([[PASSED], [PASSED], [PASSED], []], "behaviour"),
        ([[PASSED], [PASSED], [PASSED], [PASSED, FAILED]], "behaviour"),
        ([[PASSED], [PASSED], [PASSED], [PASSED, NO_REFERENCE]], "behaviour"),
        ([[PASSED], [PASSED], [PASSED], [PASSED, NO_WEIGHTS]], "parity"),
        ([[PASSED], [PASSED], [PASSED], [NO_WEIGHTS]], "behaviour"),
        ([[PASSED], [PASSED], [PASSED], [PASSED, NO_FEATURE]], "parity"),
        ([[PASSED], [PASSED], [PASSED], [NO_FEATURE]], "behaviour"),
        ([[PASSED], [PASSED], [PASSED], [PASSED, BROKEN_WEIGHTS]], "behaviour"),
        ([[PASSED], [], [PASSED], [PASSED]], "static"),
        ([[FAILED, PASSED], [PASSED], [PASSED], [PASSED]], None),
        ([[], [PASSED], [PASSED], [PASSED]], None),
    ],
)
def test_a_level_holds_only_with_all_levels_below_it(results, level):
    assert reached_level(dict(zip(LEVELS, results, strict=True))) == level


def test_the_levels_are_in_order():
    assert LEVELS == ("static", "load", "behaviour", "parity")
