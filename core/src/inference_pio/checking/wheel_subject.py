"""Opens a wheel for checking. Nothing is unpacked."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..installed import parse_entry_points
from .file_tree import FileTree
from .findings import finding
from .project_metadata import metadata_of_text
from .subject import Subject
from .wheel_archive import WheelArchive


@contextlib.contextmanager
def open_wheel(path: Path, target: str) -> Iterator[Subject]:
    """Yield a wheel as a subject; one that cannot be opened is a subject with that finding."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        unreadable = finding("target-unreadable", f"the wheel cannot be opened: {error}", path.name)
        yield Subject(target, "wheel", FileTree({}), findings=(unreadable,))
        return
    with archive:
        yield _subject(WheelArchive(path, archive), target)


def _subject(wheel: WheelArchive, target: str) -> Subject:
    info = dict(wheel.metadata_files())
    metadata_name = f"{wheel.dist_info}/METADATA"
    metadata = metadata_of_text(info.get("METADATA", b"").decode("utf-8", "replace"), metadata_name)
    findings = []
    if not wheel.dist_info:
        findings.append(finding("metadata-missing", "the wheel has not exactly one .dist-info folder", wheel.path.name))
    elif metadata is None:
        findings.append(finding("metadata-missing", "its METADATA has no name or no version", metadata_name))
    return Subject(
        target,
        "wheel",
        FileTree({name: wheel.reader(name) for name in wheel.code_names}),
        entry_points=tuple(parse_entry_points(info.get("entry_points.txt", b"").decode("utf-8", "replace"))),
        entry_points_file=f"{wheel.dist_info}/entry_points.txt",
        metadata=metadata,
        dist_info=info,
        wheel=wheel,
        findings=tuple(findings),
    )
