"""Several machines may share a home: SQLite's WAL mode is for one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from inference_pio.history import database
from inference_pio.history.database import open_database
from inference_pio.history.network_disk import is_on_network_disk

MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
server:/users /users nfs4 rw,vers=4.2 0 0
/dev/sdb1 /users/local xfs rw 0 0
//nas/data /mnt/our\040data cifs rw 0 0
me@host:/ /mnt/ssh fuse.sshfs rw 0 0
server:/old /mnt/twice nfs rw 0 0
tmpfs /mnt/twice tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/ada/history.db", True),
        ("/users/local/history.db", False),
        ("/userss/history.db", False),
        ("/mnt/our data/history.db", True),
        ("/mnt/ssh/x/history.db", True),
        ("/mnt/twice/history.db", False),
        ("/var/history.db", False),
    ],
)
def test_the_innermost_and_latest_file_system_decides(path: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert is_on_network_disk(Path(path), tmp_path / "mounts") is expected


def test_where_nothing_can_be_told_the_disk_is_taken_for_local(tmp_path: Path) -> None:
    assert is_on_network_disk(tmp_path, tmp_path / "no mounts") is False


@pytest.mark.parametrize(("is_remote", "mode", "synchronous"), [(True, "delete", 2), (False, "wal", 1)])
def test_a_database_on_a_disk_of_the_network_is_not_in_wal_mode(
    is_remote: bool, mode: str, synchronous: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_on_network_disk", lambda path: is_remote, raising=False)
    for _ in range(2):
        with open_database(tmp_path / "history.db", create=True) as db:
            assert db.journal_mode == mode
            with closing(db.execute("PRAGMA synchronous")) as answer:
                assert answer.fetchone() == (synchronous,)
