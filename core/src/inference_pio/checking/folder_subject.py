"""Opens a project folder for checking: its ``pyproject.toml``, and the packages that its entry points name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..installed import MODELS_GROUP, EntryPointRef
from ..manifest import MANIFEST_NAME
from ..manifest_files import ManifestFileError, read_inside
from .file_tree import SKIPPED, FileTree, folder_tree
from .findings import Finding, TargetKind, finding
from .project_metadata import entry_points_of_project, metadata_of_project, table, texts
from .subject import SHARED, Subject
from .toml_reader import read_toml

PYPROJECT = "pyproject.toml"
_DEEPEST = 3
"""How far below the root of a project its sources are looked for."""


def open_folder(folder: Path, target: str, *, kind: TargetKind = "folder") -> Subject:
    """Return a project, or the package folder of one, as a subject."""
    root = _project_root(folder)
    if root is None:
        return _bare_package(folder, target)
    try:
        document = read_toml((root / PYPROJECT).read_bytes())
    except (OSError, ValueError) as error:
        unreadable = finding("target-unreadable", f"{PYPROJECT} cannot be read: {error}", PYPROJECT)
        return Subject(target, kind, FileTree({}), findings=(unreadable,))
    return _Project(root, document).subject(target, kind)


def _project_root(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.parents) if (place / PYPROJECT).is_file()), None)


@dataclass(frozen=True)
class _Project:
    root: Path
    document: Mapping[str, Any]

    def subject(self, target: str, kind: TargetKind) -> Subject:
        project = table(self.document, "project")
        entry_points = entry_points_of_project(project)
        source = self._source_root(entry_points)
        prefix = source.relative_to(self.root).as_posix()
        return Subject(
            target,
            kind,
            folder_tree(source, _tops(entry_points), lambda name: name if prefix == "." else f"{prefix}/{name}"),
            entry_points=entry_points,
            entry_points_file=PYPROJECT,
            metadata=metadata_of_project(project, PYPROJECT),
            import_paths=(str(source),),
            findings=tuple(self._findings(project)),
        )

    def _findings(self, project: Mapping[str, Any]) -> Iterator[Finding]:
        if not isinstance(project.get("name"), str):
            yield finding("metadata-missing", "there is no [project] table with a name", PYPROJECT)
        if "entry-points" in texts(project.get("dynamic")):
            yield finding("entry-point-dynamic", "its entry points are computed at build time", PYPROJECT)

    def _source_root(self, entry_points: tuple[EntryPointRef, ...]) -> Path:
        """The folder that the first entry point's module lies below; what the build tools are told comes first."""
        places = [place for name in self._candidates() if (place := (self.root / name).resolve()).is_dir()]
        inside = [place for place in places if place.is_relative_to(self.root)]
        modules = [reference.module.split(".") for reference in entry_points if reference.is_well_formed]
        for parts in modules:
            # Every build tool has a table of its own for other places; looking is simpler than to read them all.
            for place in (*inside, *_folders_below(self.root, _DEEPEST)):
                path = place.joinpath(*parts)
                if path.is_dir() or path.with_name(f"{path.name}.py").is_file():
                    return place
        return next((place for place in inside if place.name == "src"), self.root)

    def _candidates(self) -> Iterator[str]:
        tools = table(self.document, "tool")
        wheel = table(tools, "hatch", "build", "targets", "wheel")
        yield from (str(Path(name).parent) for name in texts(wheel.get("packages")))
        find = table(tools, "setuptools", "packages", "find")
        yield from texts(find.get("where"))
        yield from ("src", ".", "lib", "python")


def _folders_below(folder: Path, depth: int) -> Iterator[Path]:
    """Yield folders that may hold sources, those that lie higher first; without links, hidden ones and builds."""
    level = [folder]
    for _ in range(depth):
        level = [below for above in level for below in _children(above)]
        yield from level


def _children(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in found if _may_hold_sources(path)]


def _may_hold_sources(path: Path) -> bool:
    is_named_so = not path.name.startswith(".") and path.name not in {*SKIPPED, "build", "dist"}
    return is_named_so and path.is_dir() and not path.is_symlink()


def _tops(entry_points: tuple[EntryPointRef, ...]) -> list[str]:
    return list(dict.fromkeys(ref.module.split(".")[0] for ref in entry_points if ref.is_well_formed))


def _bare_package(folder: Path, target: str) -> Subject:
    """A package without a project around it: checked as far as its manifest says what to look at."""
    missing = finding("metadata-missing", f"there is no {PYPROJECT} in {folder.name} or above it", str(folder))
    parents = [place for place in (folder, *folder.parents) if place.name == SHARED]
    root = parents[0].parent if parents else folder.parent
    package = ".".join(folder.relative_to(root).parts)
    entry_points = _promised_entry_point(folder, package)
    return Subject(
        target,
        "folder",
        folder_tree(root, _tops(entry_points)),
        entry_points=entry_points,
        entry_points_file=MANIFEST_NAME,
        import_paths=(str(root),),
        findings=(missing,),
    )


def _promised_entry_point(folder: Path, package: str) -> tuple[EntryPointRef, ...]:
    try:
        promised = json.loads(read_inside(str(folder / MANIFEST_NAME), str(folder)))["entry_point"]
        value = f"{package}{promised['module']}:{promised['factory_function']}"
    except (ManifestFileError, ValueError, KeyError, TypeError, RecursionError):  # the manifest's own check says more
        value = f"{package}.plugin:create"
    return (EntryPointRef(MODELS_GROUP, folder.name, value),)
