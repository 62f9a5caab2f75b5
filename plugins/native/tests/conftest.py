"""Packed weights and what the host remembers go to folders of the test's own; the kernels may be another build's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_pio.native import library

if chosen := os.environ.get("INFERENCE_PIO_TEST_KERNELS"):  # built with a sanitizer, say
    library.LIBRARY = Path(chosen)


@pytest.fixture(autouse=True)
def own_folders(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STATE_DIR", str(tmp_path / "state"))
    if request.node.get_closest_marker("weights") is None:  # whose downloads are kept for the next run
        monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(tmp_path / "cache"))
