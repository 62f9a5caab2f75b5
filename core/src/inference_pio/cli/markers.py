"""A pytest plugin for ``inference-pio test``: the markers that plugins' tests use.

They are the ones of this project's own settings, which a wheel does not bring along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARKERS = (
    "weights: needs a real checkpoint",
    "slow: takes more than ten seconds",
    "gpu: needs a GPU",
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
