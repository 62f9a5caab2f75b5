from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference_pio.errors import InferencePioError, LockFileError
from inference_pio.integrity import Lock, read_lock, render_lock, write_lock

from .conftest import Environment


@pytest.fixture
def lock(environment: Environment, qwen3: Path) -> Lock:
    return environment.lock()


@pytest.fixture
def refused(lock: Lock, tmp_path: Path) -> Callable[[Callable[[Any], object]], str]:
    """Change the data of a lock file; returns the message with which it is refused."""

    def change(how: Callable[[Any], object]) -> str:
        data = json.loads(render_lock(lock))
        how(data)
        (tmp_path / "lock.json").write_text(json.dumps(data))
        with pytest.raises(LockFileError) as caught:
            read_lock(tmp_path / "lock.json")
        assert str(tmp_path / "lock.json") in str(caught.value)
        return str(caught.value)

    return change


def test_what_is_written_is_read(lock: Lock, tmp_path: Path) -> None:
    write_lock(tmp_path / "lock.json", lock)
    assert read_lock(tmp_path / "lock.json") == lock
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "no temporary file is left"


def test_each_file_is_one_line_and_the_text_ends_with_a_newline(lock: Lock) -> None:
    text = render_lock(lock).decode()
    assert text.endswith("}\n")
    lines = [line for line in text.splitlines() if '"sha256"' in line]
    assert len(lines) == len(lock.distributions[0].files)
    assert json.loads(lines[0].strip().rstrip(",")).keys() == {"path", "sha256", "size"}


@pytest.mark.parametrize("path", ["a { b }.py", "{\n}", 'quote".py', "[x].py", "\u00e4.py"])
def test_a_path_of_any_characters_survives(lock: Lock, tmp_path: Path, path: str) -> None:
    import msgspec

    data = msgspec.to_builtins(lock)
    data["distributions"][0]["files"][0]["path"] = path
    odd = msgspec.convert(data, Lock)
    write_lock(tmp_path / "lock.json", odd)
    assert read_lock(tmp_path / "lock.json") == odd


@pytest.mark.parametrize(
    ("how", "at"),
    [
        (lambda data: data.pop("scope"), "`scope` - at `$`"),
        (lambda data: data.update(distributions={}), "at `$.distributions`"),
        (lambda data: data["distributions"][0]["files"][1].update(sha256="x"),
         "at `$.distributions[0].files[1].sha256`"),
        (lambda data: data["distributions"][0]["files"][0].update(size=-1), "at `$.distributions[0].files[0].size`"),
        (lambda data: data["distributions"][0].update(versoin="1"), "`versoin` - at `$.distributions[0]`"),
        (lambda data: data["distributions"][0]["origin"].update(kind="moon"), "at `$.distributions[0].origin.kind`"),
        (lambda data: data["distributions"].append(data["distributions"][0]), "stands twice - at `$.distributions[1]`"),
        (lambda data: data["distributions"][0]["files"].append(data["distributions"][0]["files"][0]),
         "stands twice - at `$.distributions[0].files["),
        (lambda data: data.update(lock_version=0), "at `$.lock_version`"),
    ],
)  # fmt: skip
def test_a_broken_lock_file_is_refused_with_the_json_path(refused: Any, how: Callable[[Any], object], at: str) -> None:
    message = refused(how)
    assert at in message
    assert "Write a new one: inference-pio lock" in message


def test_a_newer_lock_file_is_refused_whatever_else_it_holds(refused: Any) -> None:
    assert "Upgrade the host" in refused(lambda data: data.update(lock_version=2, distributions="elsewhere"))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"null"])
def test_what_is_no_lock_file_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "lock.json").write_bytes(text)
    with pytest.raises(LockFileError, match="inference-pio lock"):
        read_lock(tmp_path / "lock.json")


def test_a_key_that_stands_twice_is_refused(lock: Lock, tmp_path: Path) -> None:
    text = render_lock(lock).decode().replace('"version": "1.0"', '"version": "1.0", "version": "2.0"')
    (tmp_path / "lock.json").write_text(text)
    with pytest.raises(LockFileError, match="the key version twice"):
        read_lock(tmp_path / "lock.json")


def test_a_missing_lock_file_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(LockFileError, match="there is no lock file") as caught:
        read_lock(tmp_path / "none.json")
    assert caught.value.exit_code == 2


def test_a_lock_that_cannot_be_written_is_an_error_with_the_place(lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(InferencePioError, match="cannot be written"):
        write_lock(tmp_path / "no" / "such" / "folder.json", lock)
