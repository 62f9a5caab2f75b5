"""How a test says that there is nothing for it to test."""

from __future__ import annotations

from typing import NoReturn

import pytest

from .levels import NOT_APPLICABLE


def does_not_apply(reason: str) -> NoReturn:
    """Skip a test about something that this plugin does not have, and need not have.

    Any other skip stands against the level of the test: what could not be tested has not been proven.

    Args:
        reason: What there is not.
    """
    pytest.skip(f"{NOT_APPLICABLE}{reason}")
