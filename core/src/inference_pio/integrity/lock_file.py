"""The lock file: what was installed when it was written, as JSON that is the same for the same environment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..atomic_files import write_atomically
from ..errors import InferencePioError, LockFileError
from .origins import Origin

LOCK_VERSION = 1
DEFAULT_NAME = "inference-pio.lock.json"
MAX_LOCK_BYTES = 200_000_000
"""With torch and all it needs a lock has about 5 MB."""

_AGAIN = "Write a new one: inference-pio lock"
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
NonEmpty = Annotated[str, Meta(min_length=1)]


class _Strict(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A misspelled key would be a check that never happens."""


class LockedFile(_Strict, frozen=True):
    """One file; ``path`` is relative to the folder of the distribution, as in RECORD.

    ``accepted`` marks what differed from RECORD when somebody locked it all the same.
    """

    path: NonEmpty
    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]
    accepted: bool = False


class LockedEntryPoint(_Strict, frozen=True):
    """One entry point of ours, and the sha256 of the bytes of its manifest; hook plugins have none."""

    group: NonEmpty
    name: NonEmpty
    value: str
    manifest_sha256: Sha256 | None = None


class LockedDist(_Strict, frozen=True):
    """One distribution. ``not_verifiable`` says why it has no files."""

    name: NonEmpty
    version: NonEmpty
    origin: Origin
    installer: str = ""
    entry_points: list[LockedEntryPoint] = []
    not_verifiable: str = ""
    files: list[LockedFile] = []


class LockedPython(_Strict, frozen=True):
    """Where the lock was written."""

    implementation: str
    version: str
    platform: str


class Lock(_Strict, frozen=True):
    """The whole file. ``scope`` says whether it covers dependencies too."""

    lock_version: Annotated[int, Meta(ge=1)]
    scope: Literal["plugins", "dependencies"]
    host_api: str
    python: LockedPython
    distributions: list[LockedDist]


class _Version(Struct):
    lock_version: Annotated[int, Meta(ge=1)]


def render_lock(lock: Lock) -> bytes:
    """Return the bytes of a lock file; each file is one line of it, so that a diff can be read."""
    text = json.dumps(msgspec.to_builtins(lock), indent=2)
    # Innermost objects go on one line; a line break inside a JSON text is written \n, so none is touched.
    return re.sub(r"\{\n(?P<inside>( *\"[^\n]*[^\n{\[]\n)+) *\}", _on_one_line, text).encode() + b"\n"


def _on_one_line(innermost: re.Match[str]) -> str:
    return "{" + " ".join(line.strip() for line in innermost["inside"].splitlines()) + "}"


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file, whole or not at all.

    Raises:
        InferencePioError: It cannot be written; what was there is as it was.
    """
    try:
        write_atomically(path, render_lock(lock))
    except OSError as error:
        raise InferencePioError(f"{path} cannot be written: {error.strerror or error}") from error


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises:
        LockFileError: It is missing, unreadable, broken (the message has the JSON path), or of a newer version.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LOCK_BYTES + 1)
    except FileNotFoundError as error:
        raise LockFileError(f"there is no lock file {path}. {_AGAIN}") from error
    except OSError as error:
        raise LockFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_LOCK_BYTES:
        raise LockFileError(f"{path} is larger than {MAX_LOCK_BYTES} bytes, so it is no lock file. {_AGAIN}")
    return _parse(data, path)


def _parse(data: bytes, path: Path) -> Lock:
    try:
        version = msgspec.json.decode(data, type=_Version).lock_version
        if version > LOCK_VERSION:
            raise LockFileError(
                f"{path} has lock_version {version}, this host knows {LOCK_VERSION}. "
                "Upgrade the host: pip install -U inference-pio"
            )
        lock = msgspec.json.decode(data, type=Lock)
        json.loads(data, object_pairs_hook=_without_repeated_keys)
    except msgspec.ValidationError as error:
        what = str(error) if " - at `$" in str(error) else f"{error} - at `$`"
        raise LockFileError(f"{path} is no lock file: {what}. {_AGAIN}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LockFileError(f"{path} is not readable as JSON: {error}. {_AGAIN}") from error
    except _RepeatedKeyError as error:
        raise LockFileError(f"{path} has the key {error} twice in one object. {_AGAIN}") from error
    _refuse_repeated(lock, path)
    return lock


class _RepeatedKeyError(Exception):
    """Two readers would take different ones."""


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKeyError(next(key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1))
    return found


def _refuse_repeated(lock: Lock, path: Path) -> None:
    """Of two lines for one thing, one would never be compared."""

    def check(items: Iterable[Any], key: Callable[[Any], object], where: str) -> None:
        first: dict[object, int] = {}
        for index, item in enumerate(items):
            if first.setdefault(key(item), index) != index:
                at = f"{where}[{index}]"
                raise LockFileError(f"{path}: {key(item)!r} stands twice - at `{at}`. {_AGAIN}")

    check(lock.distributions, lambda dist: dist.name, "$.distributions")
    for index, dist in enumerate(lock.distributions):
        check(dist.files, lambda file: file.path, f"$.distributions[{index}].files")
