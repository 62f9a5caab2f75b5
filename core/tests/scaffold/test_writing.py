"""A folder, wholly or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_pio.errors import InferencePioError, UsageError
from inference_pio.scaffold import write_project

FILES = {"README.md": "Größe\n", "src/mine/__init__.py": "", "src/mine/tests/test_it.py": "assert True\n"}


def test_every_file_is_written_in_utf8_with_unix_newlines(tmp_path: Path) -> None:
    write_project(FILES, tmp_path / "mine")
    found = {p.relative_to(tmp_path / "mine").as_posix(): p for p in (tmp_path / "mine").rglob("*") if p.is_file()}
    assert {path: file.read_bytes() for path, file in found.items()} == {
        path: text.encode() for path, text in FILES.items()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_folder_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    write_project(FILES, tmp_path / "mine")
    (tmp_path / "other").mkdir()
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "other").stat().st_mode


def make_folder(place: Path) -> None:
    place.mkdir()
    (place / "precious").write_text("mine")


def make_empty_folder(place: Path) -> None:
    place.mkdir()


def make_file(place: Path) -> None:
    place.write_text("precious")


def make_broken_link(place: Path) -> None:
    place.symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_folder, make_empty_folder, make_file, make_broken_link])
def test_what_is_there_already_is_left_as_it_is(make: object, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / "mine")
    before = sorted((path.name, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="exists already and is left as it is"):
        write_project(FILES, tmp_path / "mine")
    assert sorted((path.name, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def full(self: Path, *args: object, **kwargs: object) -> int:
        if self.name == "test_it.py":
            raise OSError(28, "No space left on device")
        return write(self, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InferencePioError, match=r"cannot be written: .*No space left.* Nothing was left behind"):
        write_project(FILES, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_project(FILES, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_said_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InferencePioError, match="cannot be written"):
        write_project(FILES, tmp_path / "mine")
