from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import TYPE_CHECKING

from inference_pio.doctor import storage

if TYPE_CHECKING:
    import pytest

Usage = namedtuple("Usage", "total used free")


def test_the_cache_is_measured(cache: Path) -> None:
    (cache / "deep").mkdir(parents=True)
    (cache / "deep" / "weights").write_bytes(b"x" * 1500)
    finding = storage.cache(cache)
    assert (finding.status, dict(finding.data or {})["bytes"]) == ("ok", 1500)


def test_a_cache_that_is_no_folder_is_an_error(cache: Path) -> None:
    cache.write_text("a file")
    finding = storage.cache(cache)
    assert (finding.code, finding.status) == ("cache-unwritable", "error")
    assert "INFERENCE_PIO_CACHE_DIR" in finding.fix


def test_a_folder_whose_name_is_too_long_is_a_finding_and_no_exception(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    assert storage.cache(folder).status == "error"
    assert storage.state(folder).code == "state-unwritable"
    assert storage.disk(folder).code == "disk-unknown"


def test_a_state_folder_that_cannot_be_written_to_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = storage.state(tmp_path / "file" / "environments")
    assert (finding.code, finding.status) == ("state-unwritable", "warning")
    assert "INFERENCE_PIO_STATE_DIR" in finding.fix
    assert storage.state(tmp_path / "new" / "environments").status == "ok"


def test_the_disk_is_measured_where_the_cache_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def nearly_full(path: Path) -> Usage:
        asked.append(path)
        return Usage(9e9, 8e9, 1e9)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    finding = storage.disk(tmp_path / "not" / "yet")
    assert asked == [tmp_path]
    assert (finding.code, finding.status) == ("disk-low", "warning")
    assert finding.message == "1.0 of 9.0 GB free for the cache"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9e12, 0, 9e12))
    assert storage.disk(tmp_path).code == "disk-space"
