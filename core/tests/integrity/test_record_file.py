from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_pio.integrity.record_file import MAX_RECORD_BYTES, RecordEntry, RecordError, parse_record, read_record

SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ENCODED = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_a_line_is_read_as_installers_write_it() -> None:
    entries = parse_record(f'a.py,sha256={ENCODED},0\r\n"with, comma.py",sha256={ENCODED}=,\nRECORD,,\n\n')
    assert list(entries.values()) == [
        RecordEntry("a.py", "sha256", SHA256_OF_NOTHING, 0),
        RecordEntry("with, comma.py", "sha256", SHA256_OF_NOTHING, None),
        RecordEntry("RECORD"),
    ]


@pytest.mark.parametrize(
    "recorded",
    ["md5=1B2M2Y8AsgTpgAmY7PhCfg", "sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk", "sha256=AA", "sha256=\u00e4", "sha256", "x=y"],
)
def test_a_weak_or_broken_hash_counts_as_none(recorded: str) -> None:
    assert parse_record(f"a.py,{recorded},3")["a.py"].digest == ""


@pytest.mark.parametrize(
    "text",
    [
        ",sha256=x,1",
        "a.py,,minus",
        "a.py,,-1",
        "a.py,,\u0661",  # a digit, but no ASCII one
        f"a.py,,{'9' * 5000}",
        "a.py,,1,more",
        "a\0.py,,1",
        "a.py,,1\na.py,,2",
        "x" * 200_000,
    ],
    ids=["no path", "no number", "negative", "foreign digit", "long number", "columns", "nul", "twice", "long field"],
)
def test_a_malformed_record_is_refused(text: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record(text)
    assert caught.value.code == "record-broken"


def test_no_record_is_another_code_than_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="has no RECORD") as caught:
        read_record(str(tmp_path))
    assert caught.value.code == "record-missing"


def test_an_absurdly_large_record_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "RECORD").open("wb") as file:
        file.truncate(MAX_RECORD_BYTES + 1)
    with pytest.raises(RecordError, match="at most 50000000 are read"):
        read_record(str(tmp_path))


def test_a_record_that_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "RECORD")  # opening it would wait for ever
    with pytest.raises(RecordError, match="not a regular file"):
        read_record(str(tmp_path))


def test_a_record_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("a.py,,\n")
    (tmp_path / "RECORD").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="not a regular file"):
        read_record(str(tmp_path))


def test_a_record_that_is_no_text_is_broken(tmp_path: Path) -> None:
    (tmp_path / "RECORD").write_bytes(b"\xff\xfe,,\n")
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(str(tmp_path))
