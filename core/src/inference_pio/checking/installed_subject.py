"""Opens an installed distribution for checking, by the name of a plugin or of the distribution itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from ..installed import EntryPointRef, Installed, InstalledDist
from ..manifest import MANIFEST_NAME
from ..manifest_files import EXTRA_METADATA, PackageFolders
from ..names import canonical_name
from .file_tree import FileTree, Reader, file_reader, walk_files
from .findings import finding
from .project_metadata import metadata_of_text
from .subject import Subject, folder_of, home_package

_READ = ("METADATA", "RECORD", f"{EXTRA_METADATA}/{MANIFEST_NAME}")


def find_installed(installed: Installed, name: str) -> InstalledDist | None:
    """Return the distribution of this name, else the first one with a plugin of this name."""
    wanted = canonical_name(name)
    plugins = (d for d in installed.dists.values() if wanted in {canonical_name(ref.name) for ref in d.entry_points})
    return installed.dists.get(wanted) or next(plugins, None)


def open_installed(dist: InstalledDist, target: str) -> Subject:
    """Return an installed distribution as a subject; its packages are looked for as the import system would."""
    info = {name: text.encode() for name in _READ if (text := dist.metadata.read_text(name)) is not None}
    where = f"{dist.folder or dist.name}/METADATA"
    metadata = metadata_of_text(info.get("METADATA", b"").decode(), where)
    missing = finding("metadata-missing", "its METADATA has no name or no version", where)
    return Subject(
        target,
        "installed",
        _files(dist.entry_points),
        entry_points=dist.entry_points,
        entry_points_file=f"{dist.folder or dist.name}/entry_points.txt",
        metadata=metadata,
        dist_info=info,
        findings=() if metadata else (missing,),
    )


def _files(entry_points: Iterable[EntryPointRef]) -> FileTree:
    """Files of the packages that the plugins own; the same for wheels and for editables."""
    folders = PackageFolders()
    readers: dict[str, Reader] = {}
    paths: dict[str, str] = {}
    for home in dict.fromkeys(home_package(ref.module) for ref in entry_points if ref.is_well_formed):
        for name, path in _home_files(home, folders):
            readers.setdefault(name, file_reader(path))
            paths.setdefault(name, str(path))
    return FileTree(readers, lambda name: paths.get(name, name))


def _home_files(home: str, folders: PackageFolders) -> list[tuple[str, Path]]:
    prefix = folder_of(home)
    for folder in map(Path, folders.of(home)):
        if folder.is_dir():
            return [(f"{prefix}/{path.relative_to(folder).as_posix()}", path) for path in walk_files(folder)]
    parent, _, name = home.rpartition(".")
    roots = folders.of(parent) if parent else sys.path  # a single module
    found = (Path(root, f"{name}.py") for root in roots)
    return [(f"{prefix}.py", path) for path in found if path.is_file()][:1]
