"""What a record holds, and that nothing about recording can hurt a generation."""

from __future__ import annotations

import gc
import json
import logging
import os
import sqlite3
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from inference_pio import SamplingOptions, __version__
from inference_pio.generation import GenerationRequest
from inference_pio.history import recording, writer_thread
from inference_pio.history.database import open_database
from inference_pio.history.errors import HistoryError
from inference_pio.history.recording import Recorder
from inference_pio.history.records import Record, moment
from inference_pio.history.writer_thread import _OpenFile

from .conftest import Book


def test_a_run_is_kept_with_all_that_is_known_of_it(book: Book) -> None:
    book.recorder.loaded("parrot", "grey")
    options = SamplingOptions(temperature=0.5, seed=7, logit_bias={3: -1.0}, stop=["."])
    book.record("Once upon", " a time", reason="length", options=options)
    (conversation,) = book.written()
    (turn,) = conversation["turns"]
    assert turn["model"] == "parrot"
    assert turn["checkpoint"] == "grey"
    assert (turn["kind"], turn["prompt"], turn["answer"]) == ("text", "Once upon", " a time")
    assert turn["finish_reason"] == "length"
    assert turn["error"] is None
    assert turn["options"] == {"temperature": 0.5, "seed": 7, "logit_bias": {"3": -1.0}, "stop": ["."]}
    assert (turn["prompt_tokens"], turn["new_tokens"]) == (3, 2)
    assert (turn["first_token_s"], turn["generation_s"]) == (0.1, 0.2)
    assert 0 <= turn["duration_s"] < 60
    assert turn["host_version"] == __version__
    assert timedelta(0) <= datetime.now(timezone.utc) - moment(turn["started"]) < timedelta(minutes=5)
    assert turn["started"].endswith("Z")


def test_a_chat_is_kept_by_its_messages_not_by_its_template(book: Book) -> None:
    book.chat("Hello", system="Be brief.")
    (conversation,) = book.written()
    (turn,) = conversation["turns"]
    assert (turn["kind"], turn["system"], turn["prompt"], turn["earlier"]) == ("chat", "Be brief.", "Hello", [])
    assert "<template>" not in json.dumps(conversation)


def test_a_prompt_of_token_ids_is_kept_as_such(book: Book) -> None:
    book.record(None)
    assert book.written()[0]["turns"][0]["prompt_ids"] == [1, 2, 3]


def test_an_error_is_told_apart_from_a_stop(book: Book) -> None:
    for error in (ValueError("the cage is full"), GeneratorExit(), KeyboardInterrupt()):
        book.record("Hello", "half an", reason="cancelled", error=error)
    errors = [conversation["turns"][0]["error"] for conversation in book.written()]
    assert errors == ["ValueError: the cage is full", None, None]


def test_an_error_that_was_there_before_is_not_the_generations(book: Book) -> None:
    try:
        raise ValueError("earlier")
    except ValueError:
        book.record("from an except block", reason="cancelled")
    assert book.written()[0]["turns"][0]["error"] is None


def test_huge_and_odd_texts_come_back_as_they_were(book: Book) -> None:
    huge = "blue sky " * 400_000
    odd = "nul \0, quote ', emoji 🦜, newline \r\n, right-to-left \u202e"
    book.record(huge, odd)
    book.record("lone \ud800 surrogate")
    first, second = book.written()
    assert first["turns"][0]["prompt"] == huge
    assert first["turns"][0]["answer"] == odd
    assert second["turns"][0]["prompt"] == "lone ? surrogate"


def test_generations_in_many_threads_are_all_kept(book: Book) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: book.record(f"prompt {number}"), range(200)))
    prompts = {conversation["turns"][0]["prompt"] for conversation in book.written()}
    assert prompts == {f"prompt {number}" for number in range(200)}


def test_messages_that_change_afterwards_do_not_change_the_record(book: Book) -> None:
    messages = [{"role": "user", "content": "before"}]
    book.record("t", messages=messages)
    messages[0]["content"] = "after"
    assert book.written()[0]["turns"][0]["prompt"] == "before"


def test_a_model_that_was_loaded_with_two_checkpoints_is_recorded_without(book: Book) -> None:
    for checkpoint in ("grey", "green", "grey"):
        book.recorder.loaded("parrot", checkpoint)
    book.record("Hello")
    assert book.written()[0]["turns"][0]["checkpoint"] is None


def test_an_end_without_a_beginning_is_kept_and_a_beginning_without_an_end_is_not(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "UNFINISHED", 2)
    for _ in range(5):
        book.recorder.begin(GenerationRequest(plugin_name="p", prompt="x", prompt_ids=(), options=SamplingOptions()))
    assert len(book.recorder._begun) == 2
    book.record("Hello")
    assert len(book.written()) == 1


def test_the_file_and_its_companions_are_the_owners_alone(book: Book) -> None:
    before = os.umask(0)
    try:
        book.record("Hello")
        book.written()
        with open_database(book.path) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO notes VALUES ('a', 'b')")
            db.commit()
            files = sorted(book.path.parent.glob("history.db*"))
            assert [file.name for file in files] == ["history.db", "history.db-shm", "history.db-wal"]
            assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    finally:
        os.umask(before)


def test_a_locked_database_delays_no_generation_and_is_told_once(
    book: Book, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_pio.history.database.BUSY_S", 0.05)
    book.record("first")
    book.written()
    other = sqlite3.connect(book.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(3):
        book.record(f"while locked {number}")
    book.recorder.close(30)
    other.execute("ROLLBACK")
    other.close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "locked" in warnings[0]
    assert "close it" in warnings[0]
    book.record("afterwards")
    assert [c["turns"][0]["prompt"] for c in book.written()] == ["first", "afterwards"]


def test_the_end_of_the_process_does_not_wait_for_a_lock(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.record("first")
    book.written()
    other = sqlite3.connect(book.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    book.record("while locked")
    book.recorder.close(0.1)
    assert "(1) may be missing" in caplog.text
    other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize(
    "content", [b"not a database, though long enough to be read as one" * 40, b"SQLite format 3\0"]
)
def test_a_damaged_database_is_told_once_and_left_alone(
    book: Book, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    book.path.parent.mkdir(parents=True)
    book.path.write_bytes(content)
    book.record("one")
    book.record("two")
    book.recorder.close(30)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"mv {book.path}" in warnings[0]
    assert book.path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told_with_a_way_out(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.path.parent.mkdir(mode=0o500)
    book.record("one")
    book.recorder.close(30)
    assert "INFERENCE_PIO_HISTORY_DB=FILE" in caplog.text


def test_a_place_that_cannot_be_is_told_with_a_way_out(
    book: Book, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("INFERENCE_PIO_HISTORY_DB", str(tmp_path / "file" / "history.db"))
    book.record("one")
    book.recorder.close(30)
    assert "INFERENCE_PIO_HISTORY_DB=FILE" in caplog.text


def test_a_full_queue_drops_and_tells(
    book: Book, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_thread, "QUEUE_LENGTH", 2)
    gate = threading.Event()
    monkeypatch.setattr(writer_thread._OpenFile, "add", lambda *_: gate.wait(30))
    for number in range(6):
        book.record(f"prompt {number}")
    gate.set()
    book.recorder.close(30)
    assert caplog.text.count("cannot keep up") == 1


def test_a_deleted_file_begins_anew(book: Book) -> None:
    book.record("one")
    assert len(book.written()) == 1
    book.path.unlink()
    book.record("two")
    assert [conversation["turns"][0]["prompt"] for conversation in book.written()] == ["two"]


def test_the_file_is_closed_when_nothing_comes(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_thread, "IDLE_S", 0.01)
    closed = threading.Event()
    close = writer_thread._OpenFile.close

    def tell(file: writer_thread._OpenFile) -> None:
        close(file)
        closed.set()

    monkeypatch.setattr(writer_thread._OpenFile, "close", tell)
    book.record("one")
    closed.clear()
    assert closed.wait(30)
    book.record("two")
    assert len(book.written()) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="forking beside threads warns, and warnings are errors here")
def test_a_forked_process_records_too(book: Book) -> None:
    book.record("parent")
    child = os.fork()
    if child == 0:  # nothing of pytest may run here
        try:
            book.record("child")
            book.recorder.close(30)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert {conversation["turns"][0]["prompt"] for conversation in book.written()} == {"parent", "child"}


def test_a_file_that_is_locked_for_a_moment_loses_nothing(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _OpenFile.add
    said: list[str] = []

    def locked_twice(file: _OpenFile, path: Path, record: Record) -> None:
        if len(said) < 2:
            said.append("locked")
            raise HistoryError("the history is locked") from sqlite3.OperationalError("database is locked")
        real(file, path, record)

    monkeypatch.setattr(_OpenFile, "add", locked_twice)
    book.record("patient")
    assert [conversation["turns"][0]["prompt"] for conversation in book.written()] == ["patient"]
    assert len(said) == 2


def test_closing_twice_and_closing_an_unused_recorder_are_fine(path: Path) -> None:
    recorder = Recorder()
    recorder.close()
    recorder.close()
    gc.collect()
    assert not path.exists()
