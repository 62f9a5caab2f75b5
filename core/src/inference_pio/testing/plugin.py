"""The pytest plugin: markers, the choice of a level, and the report.

Every run of pytest in an environment with inference-pio loads it (entry point ``pytest11``), so it imports nothing
of the host until an option asks for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .levels import LEVELS, MARKER

if TYPE_CHECKING:
    import pytest

MARKERS = (
    f"{MARKER}(level): counts towards a level of conformance: {', '.join(LEVELS)}",
    "weights: needs a real checkpoint",
    "slow: takes more than ten seconds",
    "gpu: needs a GPU",
)

# Modules with tests outside of a tests folder: without this their failures would say "assert False" and no more.
TEST_MODULES = (
    "inference_pio.testing.load_level",
    "inference_pio.testing.static_level",
    "inference_pio.runtime.testing",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup(MARKER, "conformance of plugins for inference-pio")
    group.addoption("--conformance-report", metavar="FILE", help="write a JSON report about one plugin")
    group.addoption("--conformance-plugin", metavar="NAME", help="the plugin that the report is about")
    group.addoption("--conformance-level", choices=LEVELS, help="only tests up to this level, and none without one")
    group.addoption("--conformance-only", choices=LEVELS, help="only tests of this level")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, and record if a report is wanted."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    _explain_assertions()
    if config.getoption("conformance_report"):
        from .recorder import Recorder

        config.pluginmanager.register(Recorder(config), "inference-pio-conformance-recorder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the levels that were not asked for."""
    highest, only = config.getoption("conformance_level"), config.getoption("conformance_only")
    if not highest and not only:
        return
    from .selection import level_of

    wanted = {only} if only else set(LEVELS[: LEVELS.index(highest) + 1])
    left_out = [item for item in items if level_of(item) not in wanted]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if level_of(item) in wanted]


def _explain_assertions() -> None:
    import pytest

    # One that is imported already cannot be rewritten any more, and pytest would warn.
    pytest.register_assert_rewrite(*(name for name in TEST_MODULES if name not in sys.modules))
