"""Reads a distribution's RECORD: the table of its files that an installer leaves in the ``.dist-info``.

A RECORD is data from strangers: it may be huge, malformed, or lead anywhere. Whatever it holds, reading it ends with a
value.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import os
import stat
from dataclasses import dataclass

MAX_RECORD_BYTES = 50_000_000
"""The RECORD of torch, with its 13,000 files, has 1.2 MB."""

STRONG = {"sha256": 32, "sha384": 48, "sha512": 64}
"""Hashes that count, with their length in bytes; the specification forbids md5 and sha1 in a RECORD."""


class RecordError(Exception):
    """The RECORD cannot be used; ``code`` is that of the finding."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class RecordEntry:
    """One line of a RECORD.

    Attributes:
        path: As written: relative to the folder of the ``.dist-info``, with slashes.
        algorithm: Name of the hash; empty when there is none that counts.
        digest: The hash, hexadecimal; empty when there is none that counts.
        size: Bytes; ``None`` when the line does not say.
    """

    path: str
    algorithm: str = ""
    digest: str = ""
    size: int | None = None


def read_record(info_folder: str) -> dict[str, RecordEntry]:
    """Read the RECORD in a ``.dist-info``; the result is by path, in the order of the file.

    Raises:
        RecordError: There is none, or it cannot be used.
    """
    return parse_record(read_record_text(info_folder))


def read_record_text(info_folder: str) -> str:
    """Return the text of a RECORD.

    Raises:
        RecordError: There is none, or it cannot be read.
    """
    path = os.path.join(info_folder, "RECORD")  # noqa: PTH118 - every path of a scan is a text
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever; a link leads out of the folder
            raise RecordError("record-broken", "its RECORD is not a regular file")
        if status.st_size > MAX_RECORD_BYTES:
            raise RecordError(
                "record-broken", f"its RECORD has {status.st_size} bytes; at most {MAX_RECORD_BYTES} are read"
            )
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123 - every path of a scan is a text
            return file.read()
    except FileNotFoundError as error:
        raise RecordError("record-missing", "has no RECORD") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError("record-broken", f"its RECORD cannot be read: {error}") from error


def parse_record(text: str) -> dict[str, RecordEntry]:
    """Read the text of a RECORD.

    Raises:
        RecordError: A line is malformed, or two lines say different things of one file.
    """
    entries: dict[str, RecordEntry] = {}
    lines = csv.reader(text.splitlines())
    try:
        for row in lines:
            if not row:
                continue
            entry = _entry(row, lines.line_num)
            if entries.setdefault(entry.path, entry) != entry:
                raise RecordError("record-broken", f"its RECORD says two things of {entry.path!r}")
    except csv.Error as error:
        raise RecordError("record-broken", f"its RECORD is malformed in line {lines.line_num}: {error}") from error
    return entries


def _entry(row: list[str], line: int) -> RecordEntry:
    path, recorded, size = [*row, "", ""][:3]
    if not path or "\0" in path or len(row) > 3 or (size and not (size.isascii() and size.isdigit())):
        raise RecordError("record-broken", f"its RECORD is malformed in line {line}")
    if len(size) > 20:  # longer than any file; int() refuses very long numbers with an error of its own
        raise RecordError("record-broken", f"its RECORD is malformed in line {line}")
    algorithm, digest = _hash(recorded)
    return RecordEntry(path, algorithm, digest, int(size) if size else None)


def _hash(recorded: str) -> tuple[str, str]:
    """Turn ``sha256=<URL-safe base64 without padding>`` into ``("sha256", <hex>)``; two empty texts if it is none."""
    algorithm, _, encoded = recorded.partition("=")
    if algorithm not in STRONG or algorithm not in hashlib.algorithms_available:
        return "", ""
    try:
        digest = base64.urlsafe_b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4))
    except (binascii.Error, ValueError):
        return "", ""
    return (algorithm, digest.hex()) if len(digest) == STRONG[algorithm] else ("", "")
