"""What only a wheel shows: its members, its RECORD, and files that would land where others live."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ..manifest import MANIFEST_NAME
from ..manifest_files import EXTRA_METADATA
from .findings import Finding, finding
from .subject import SHARED, Subject, folder_of
from .wheel_archive import WheelArchive, leaves_folder

STRAYS = (f"{SHARED}/__init__.py", f"{SHARED}/models/__init__.py")
_UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def namespace_findings(subject: Subject) -> Iterator[Finding]:
    """Check that nothing hides the packages of others; sources and installed files are asked too."""
    if subject.metadata is not None and subject.metadata.name == "inference-pio":
        return
    for name in STRAYS:
        if name in subject.files:
            message = f"{name} hides every other plugin: only the host has one"
            yield finding("stray-init", message, subject.files.shown(name))
    own = host_names()
    hidden = {name for name in subject.files.names if name.startswith(f"{SHARED}/")} - set(STRAYS)
    for name in sorted(hidden):
        if name.split("/")[1].removesuffix(".py") in own:
            yield finding("shadows-host", f"{name} takes the place of a file of the host", subject.files.shown(name))


def host_names() -> set[str]:
    """Names of modules and packages below ``inference_pio`` that the host ships.

    Not a look at the folder alone: where wheels are installed, other distributions have put theirs into it.
    """
    import importlib_metadata

    try:
        files = importlib_metadata.files("inference-pio") or ()
    except importlib_metadata.PackageNotFoundError:
        files = ()
    recorded = {file.parts[1] for file in files if len(file.parts) > 1 and file.parts[0] == SHARED}
    # An editable one records none of its files, and has its folder for itself; models/ is never the host's.
    names = recorded or {part.name for part in Path(__file__).parents[1].iterdir()} - {"models"}
    return {name.removesuffix(".py") for name in names}


def wheel_findings(subject: Subject) -> Iterator[Finding]:
    """Check a built wheel."""
    wheel = subject.wheel
    assert wheel is not None, "only asked of wheels"
    outside = [name for name in wheel.names if leaves_folder(name)]
    for name in outside:
        yield finding("member-outside", f"the member {name!r} leads out of the folder it is unpacked into", name)
    yield from _record(wheel, subject)
    yield from _strays(wheel, subject)
    if subject.models and f"{EXTRA_METADATA}/{MANIFEST_NAME}" not in subject.dist_info:
        message = f"{MANIFEST_NAME} is not in the .dist-info too"
        yield finding("manifest-not-in-dist-info", message, f"{wheel.dist_info}/{EXTRA_METADATA}/{MANIFEST_NAME}")
    for home in subject.homes:
        has_marker = any(name.endswith("/py.typed") for name in subject.files.below(folder_of(home)))
        if not has_marker and subject.files.below(folder_of(home)):
            yield finding("untyped", f"{home} has no py.typed", f"{folder_of(home)}/py.typed")


def _strays(wheel: WheelArchive, subject: Subject) -> Iterator[Finding]:
    """Top-level names that no entry point mentions: ``tests/`` of two plugins would end in one folder."""
    homes = [folder_of(home) for home in subject.homes]
    strays = [
        name for name in wheel.code_names if not any(name in (h, f"{h}.py") or name.startswith(f"{h}/") for h in homes)
    ]
    places = {name.split("/")[0] if not name.startswith(f"{SHARED}/") else name for name in strays}
    for place in sorted(places - set(STRAYS)):
        if homes:
            yield finding("stray-file", f"{place} lies outside {' and '.join(subject.homes)}", place)


def _record(wheel: WheelArchive, subject: Subject) -> Iterator[Finding]:
    """Compare RECORD with the members, both ways; each hash is computed again."""
    where = f"{wheel.dist_info}/RECORD"
    if "RECORD" not in subject.dist_info:
        yield finding("wheel-record-missing", "the wheel has no RECORD", where)
        return
    try:
        text = subject.dist_info["RECORD"].decode("utf-8")
        rows = {row[0]: (row[1], row[2]) for row in csv.reader(io.StringIO(text)) if len(row) >= 3}
    except (ValueError, csv.Error) as error:
        yield finding("wheel-record-differs", f"RECORD cannot be read: {error}", where)
        return
    members = set(wheel.names)
    for name in sorted(set(rows) - members):
        yield finding("wheel-record-differs", f"RECORD lists {name}, which is not in the wheel", where)
    for name in sorted(members - set(rows)):
        if name not in {f"{wheel.dist_info}/{unsigned}" for unsigned in _UNSIGNED}:
            yield finding("wheel-record-differs", f"{name} is not in RECORD", name)
    for name in sorted(members & set(rows)):
        problem = _compare(wheel, name, *rows[name])
        if problem:
            yield finding("wheel-record-differs", f"{name} {problem}", name)


def _compare(wheel: WheelArchive, name: str, recorded: str, size: str) -> str:
    """Say how a member differs from its line in RECORD; empty when it does not."""
    if name.partition("/")[2] in _UNSIGNED and name.startswith(f"{wheel.dist_info}/"):
        return ""
    algorithm, _, digest = recorded.partition("=")
    if not digest:
        return "has no hash in RECORD"
    try:
        if size not in ("", str(wheel.archive.getinfo(name).file_size)):  # first: what a bomb claims is not unpacked
            return "is not what RECORD says: another size"
        found = wheel.digest(name, algorithm)
        expected = base64.urlsafe_b64decode(f"{digest}==")
    except (OSError, ValueError, binascii.Error) as error:
        return f"cannot be compared with RECORD: {error}"
    return "" if found == expected else "is not what RECORD says: another hash"
