"""What is known of one installed distribution before any of its files is read."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from ..installed import MODELS_GROUP, EntryPointRef, InstalledDist
from ..manifest_files import ManifestFileError, PackageFolders, find_manifest
from .digests import Digest, Unread
from .findings import Finding
from .lock_file import LockedEntryPoint
from .origins import Origin, read_origin
from .places import Place
from .record_file import RecordEntry, RecordError, read_record

# What an installer writes for itself: it differs from one installation to the next, and the lock has what matters of
# it in fields of its own.
BOOKKEEPING = frozenset(
    {
        "RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json", "provenance_url.json",
        "uv_cache.json", "uv_build.json",
    }
)  # fmt: skip


@dataclass
class DistState:
    """One distribution as it is.

    Attributes:
        name: Canonical.
        version: As the name of its ``.dist-info`` says.
        folder: Its ``.dist-info``; empty when it does not lie on a file system.
        origin: Where it came from.
        installer: What put it there; empty when that is not said.
        references: Its entry points of our groups.
        entry_points: The same with the hashes of their manifests; sorted.
        launchers: Commands that an installer wrote for it, by the path in RECORD: module and attribute.
        place: Where its files may lie; ``None`` without a folder.
        entries: Its RECORD by path; empty when there is none that can be used.
        results: What was read, by path.
        strays: Paths of files that lie in its folders and that nobody lists.
        findings: What differs from RECORD.
    """

    name: str
    version: str
    folder: str
    origin: Origin
    installer: str
    references: tuple[EntryPointRef, ...]
    entry_points: list[LockedEntryPoint]
    launchers: dict[str, tuple[str, str]] = field(default_factory=dict)
    place: Place | None = None
    entries: dict[str, RecordEntry] = field(default_factory=dict)
    results: dict[str, Digest | Unread] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def not_verifiable(self) -> str:
        """Why nothing can be said of its code; empty when something can."""
        if self.origin.kind == "editable":
            return f"is an editable install of {self.origin.url or 'a folder that is not named'}"
        if self.place is None:
            return "does not lie in a folder"
        return "" if self.entries else "has no usable RECORD"

    @property
    def files_read(self) -> int:
        """How many files were hashed."""
        return sum(isinstance(result, Digest) for result in self.results.values())

    def is_locked(self, path: str) -> bool:
        """Whether a file's hash belongs into a lock: not what differs from one environment to the next."""
        return path not in self.launchers and not self.is_bookkeeping(path) and not is_cached_bytecode(path)

    def is_bookkeeping(self, path: str) -> bool:
        """Whether a file is what an installer writes for itself."""
        folder, _, name = path.rpartition("/")
        return name in BOOKKEEPING and folder == os.path.basename(self.folder)  # noqa: PTH119 - every path is a text

    def find(self, code: str, message: str, path: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(self.name, path, code, message))


def is_cached_bytecode(path: str) -> bool:
    """Whether Python compiled this file by itself."""
    return path.endswith(".pyc") and "__pycache__" in path.split("/")[-2:-1]


def read_state(dist: InstalledDist, folders: PackageFolders) -> DistState:
    """Read the metadata of a distribution; faults become findings."""
    state = DistState(
        name=dist.name,
        version=dist.version,
        folder=os.path.abspath(dist.folder) if dist.folder else "",  # noqa: PTH100 - every path is a text
        origin=read_origin(dist.metadata),
        installer=_installer(dist),
        references=dist.entry_points,
        entry_points=sorted(
            (LockedEntryPoint(group=r.group, name=r.name, value=r.value, manifest_sha256=_manifest(r, dist, folders))
             for r in dist.entry_points),
            key=lambda entry: (entry.group, entry.name, entry.value),
        ),
    )  # fmt: skip
    if state.folder and os.path.isdir(state.folder):  # noqa: PTH112 - every path is a text
        state.place = Place(os.path.dirname(state.folder))  # noqa: PTH120 - every path is a text
        try:
            state.entries = read_record(state.folder)
        except RecordError as error:
            state.find(error.code, str(error))
    if state.not_verifiable and not state.findings:
        state.find("not-verifiable", state.not_verifiable)
    state.launchers = _launchers(dist, state.entries)
    return state


def _installer(dist: InstalledDist) -> str:
    try:
        return (dist.metadata.read_text("INSTALLER") or "").strip()[:100]
    except (OSError, ValueError):
        return ""


def _manifest(reference: EntryPointRef, dist: InstalledDist, folders: PackageFolders) -> str | None:
    if reference.group != MODELS_GROUP or not reference.is_well_formed:
        return None
    try:
        return hashlib.sha256(find_manifest(reference, dist, folders).content).hexdigest()
    except ManifestFileError:
        return None


def _launchers(dist: InstalledDist, entries: dict[str, RecordEntry]) -> dict[str, tuple[str, str]]:
    """Match the files outside site-packages with the commands that the distribution declares."""
    try:
        declared = {
            point.name: (point.module, point.attr)
            for point in getattr(dist.metadata, "entry_points", ())
            if point.group in ("console_scripts", "gui_scripts")
        }
    except Exception:  # noqa: BLE001 - a broken entry_points.txt of any kind declares nothing
        return {}
    outside = [path for path in entries if path.startswith(("../", "/"))]
    names = {path: path.rpartition("/")[2].removesuffix(".exe") for path in outside}
    return {path: declared[name] for path, name in names.items() if name in declared}
