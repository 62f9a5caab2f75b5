"""The file: its versions, strangers' files, two processes at once, and what deleting leaves behind."""

from __future__ import annotations

import dataclasses
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from inference_pio import settings
from inference_pio.history import retention, schema
from inference_pio.history.database import open_database
from inference_pio.history.errors import HistoryError
from inference_pio.history.preferences import (
    Preferences,
    load_preferences,
    preferences_path,
    save_preferences,
)
from inference_pio.history.records import stamp

from .conftest import Book


def test_a_newer_files_is_refused_and_left_alone(path: Path) -> None:
    with open_database(_parent(path), create=True) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(HistoryError, match=r"of version 99.*pip install -U inference-pio-history"), open_database(path):
        pass


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(_parent(path))) as other:
        other.execute("CREATE TABLE accounts (id)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="another program's"), open_database(path, create=True):
        pass
    assert path.read_bytes() == before


def test_an_older_file_is_brought_up_to_date_with_all_it_holds(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.record("old")
    book.written()
    steps = (*schema.MIGRATIONS, lambda db: db.execute("ALTER TABLE conversations ADD COLUMN title TEXT"))
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    monkeypatch.setattr("inference_pio.history.database.MIGRATIONS", steps)
    book.record("new")
    assert len(book.written()) == 2
    with open_database(book.path) as db:
        assert schema.version_of(db) == len(steps)
        assert "title" in db.table("conversations").columns_dict


def test_a_step_that_fails_leaves_the_file_as_it_was(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.record("old")
    book.written()

    def breaks(db: object) -> None:
        with sqlite3.connect(":memory:") as other:
            other.execute("no such statement")

    def half(db: Any) -> None:
        db.execute("DROP TABLE notes")
        breaks(db)

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, half))
    monkeypatch.setattr("inference_pio.history.database.MIGRATIONS", schema.MIGRATIONS)
    with pytest.raises(HistoryError), open_database(book.path):
        pass
    monkeypatch.undo()
    with open_database(book.path) as db:
        assert db.table("notes").exists()


def test_several_processes_create_and_fill_one_history(tmp_path: Path) -> None:
    code = """
import sys
from inference_pio import Completion, SamplingOptions
from inference_pio.generation import GenerationRequest, GenerationStats
from inference_pio.history.recording import Recorder
recorder = Recorder()
for number in range(25):
    request = GenerationRequest(
        plugin_name=sys.argv[1], prompt=f"prompt {number}", prompt_ids=(), options=SamplingOptions()
    )
    recorder.begin(request)
    stats = GenerationStats(prompt_tokens=0, new_tokens=0, first_token_s=0, total_s=0)
    recorder.end(request, Completion(text="x", token_ids=(), finish_reason="stop", stats=stats))
recorder.close(60)
"""
    running = [subprocess.Popen([sys.executable, "-c", code, f"model{number}"]) for number in range(4)]
    assert [process.wait(120) for process in running] == [0] * 4
    with open_database(tmp_path / "state" / "history.db") as db:
        rows = db.execute("SELECT model, count(*) FROM turns GROUP BY model").fetchall()
        assert rows == [(f"model{number}", 25) for number in range(4)]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("how", ["delete", "clear", "prune"])
def test_what_is_deleted_is_not_in_the_file_any_more(book: Book, how: str) -> None:
    book.record("the password is swordfish", "swordfish it is")
    _age(book, days=40)
    if how != "clear":
        book.record("harmless")
    book.written()
    assert b"swordfish" in _bytes(book.path)
    with open_database(book.path) as db:
        if how == "delete":
            assert retention.delete(db, [1]) == 1
        elif how == "clear":
            assert retention.clear(db) == 1
        else:
            assert retention.prune(db, Preferences(days=30)) == 1
    assert b"swordfish" not in _bytes(book.path)
    assert len(book.written()) == (how != "clear")


def test_a_number_is_never_given_twice(book: Book) -> None:
    book.record("one")
    with open_database(book.path) if book.written() else pytest.fail("nothing was written") as db:
        retention.clear(db)
    book.record("two")
    assert [conversation["id"] for conversation in book.written()] == [2]


def test_old_conversations_go_by_themselves_once_a_day(book: Book) -> None:
    for prompt, days in (("ancient", 40), ("recent", 2)):
        book.record(prompt)
        _age(book, days=days)
    save_preferences(Preferences(days=30))
    book.record("now")
    assert [c["turns"][0]["prompt"] for c in book.written()] == ["recent", "now"]
    _age(book, days=99)
    book.record("later the same day")
    assert len(book.written()) == 3
    with open_database(book.path) as db:
        db.execute("UPDATE notes SET value = ?", [stamp(datetime.now(timezone.utc) - timedelta(days=1, hours=1))])
    book.record("the next day")
    assert [c["turns"][0]["prompt"] for c in book.written()] == ["recent", "later the same day", "the next day"]


def test_a_chat_that_goes_on_is_as_old_as_its_last_turn(book: Book) -> None:
    book.chat("one", answer="1")
    _age(book, days=40)
    book.chat("one", "1", "two")
    book.written()
    with open_database(book.path) as db:
        assert retention.prune(db, Preferences(days=30)) == 0


def test_the_oldest_go_until_the_rest_fits(book: Book) -> None:
    for number in range(40):
        book.record(f"{number} " + "words " * 10_000)
    book.written()
    with open_database(book.path) as db:
        before = retention.used_bytes(db)
        assert before > 2_400_000
        removed = retention.prune(db, Preferences(max_mb=1))
        assert retention.used_bytes(db) <= 1_000_000
        retention.give_space_back(db)
    assert book.path.stat().st_size <= 1_000_000
    left = [int(c["turns"][0]["prompt"].split()[0]) for c in book.written()]
    assert left == list(range(removed, 40))
    assert len(left) >= 5, "no more than needed"


def test_what_is_measured_or_tested_is_nobodys_conversation(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    with settings.trial():
        book.record("one")
        monkeypatch.setenv("INFERENCE_PIO_HISTORY", "on")
        book.record("two")
        monkeypatch.delenv("INFERENCE_PIO_HISTORY")
    book.record("three")
    assert [c["turns"][0]["prompt"] for c in book.written()] == ["two", "three"]


def test_the_switch_of_the_environment_wins_both_ways(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_HISTORY", "off")
    book.record("one")
    book.recorder.close(30)
    assert not book.path.exists()
    save_preferences(Preferences(recording=False))
    monkeypatch.delenv("INFERENCE_PIO_HISTORY")
    book.record("two")
    book.recorder.close(30)
    assert not book.path.exists(), "off stays off, also where the database is gone"
    monkeypatch.setenv("INFERENCE_PIO_HISTORY", "on")
    book.record("three")
    assert [c["turns"][0]["prompt"] for c in book.written()] == ["three"]


@pytest.mark.parametrize("content", ["{", "[]", '{"recording": "no"}', '{"days": -1}', '{"daze": 3}', '{"days": NaN}'])
def test_settings_that_cannot_be_understood_keep_and_delete_nothing(
    book: Book, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    book.record("one")
    book.written()
    preferences_path().write_text(content)
    book.record("two")
    book.recorder.close(30)
    assert re.search(r"history\.json cannot be understood .* so nothing is recorded", caplog.text)
    preferences_path().unlink()
    assert [c["turns"][0]["prompt"] for c in book.written()] == ["one"]


@pytest.mark.parametrize("days", ["soon", "-1", "0", "inf"])
def test_a_wrong_number_of_days_keeps_and_deletes_nothing(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("INFERENCE_PIO_HISTORY_DAYS", days)
    with pytest.raises(HistoryError, match="INFERENCE_PIO_HISTORY_DAYS"):
        load_preferences()


def test_the_environment_sets_days_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    save_preferences(Preferences(days=90, max_mb=5))
    monkeypatch.setenv("INFERENCE_PIO_HISTORY_DAYS", "0.5")
    assert load_preferences() == dataclasses.replace(Preferences(max_mb=5), days=0.5)


def _age(book: Book, *, days: float) -> None:
    """Make everything that has been written older, unless it is old already."""
    book.written()
    then = stamp(datetime.now(timezone.utc) - timedelta(days=days))
    with open_database(book.path) as db:
        db.execute("UPDATE conversations SET updated = ? WHERE id = (SELECT max(id) FROM conversations)", [then])


def _bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    return path
