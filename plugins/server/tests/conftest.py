"""Fixtures of the server's tests."""

from __future__ import annotations

import pytest

from .fake_model import FakeModel


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()
