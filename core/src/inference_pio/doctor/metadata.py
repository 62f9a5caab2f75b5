"""Metadata that lies: installed twice, shadowed, left over, incomplete, unreadable."""
# ruff: noqa: PTH119 - paths are strings here, as the scan gives them

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..hookspecs import DoctorFinding
from ..manifest_files import editable_root
from .metadata_folders import MetadataFolder, MetadataScan, remove_command
from .ownership import our_dists, our_projects

if TYPE_CHECKING:
    from ..discovery import Index

_LIBRARIES = frozenset({"torch", "transformers"})
_HARM = {
    "METADATA": "nobody knows what it requires",
    "RECORD": "pip can neither uninstall nor update it",
}
_SHOWN = 5
"""Leftovers that a message names; ``data`` has all."""


def metadata_findings(index: Index, scan: MetadataScan) -> Iterator[DoctorFinding]:
    """Look through all metadata on the search path."""
    ours = our_projects(index, scan)
    count, places = len(index.installed.dists), scan.places
    yield DoctorFinding(
        code="metadata",
        group="installation",
        name="metadata",
        status="ok",
        message=f"{count} distributions, in {', '.join(places) or 'no folder'}",
        data={"distributions": count, "folders": places},
    )
    yield from _unreadable(index)
    yield from _duplicates(index, scan)
    yield from _eggs(index, scan, ours)
    yield from _shadowed(scan, ours)
    yield from _remains(scan)
    yield from _incomplete(index, ours)


def _finding(code: str, message: str, fix: str, **data: object) -> DoctorFinding:
    return DoctorFinding(
        code=code, group="installation", name="metadata", status="warning", message=message, fix=fix, data=data
    )


def _unreadable(index: Index) -> Iterator[DoctorFinding]:
    for where, what in index.problems:
        yield _finding(
            "metadata-unreadable",
            f"{where} cannot be read, so its plugins are not seen: {what}",
            "Reinstall that distribution, or remove what is left of it",
            path=where,
        )


def _duplicates(index: Index, scan: MetadataScan) -> Iterator[DoctorFinding]:
    rivals: dict[tuple[str, str], list[MetadataFolder]] = defaultdict(list)
    for folder in scan.folders:
        if not folder.is_egg:
            rivals[folder.place, folder.project].append(folder)
    for (place, project), folders in rivals.items():
        if len(folders) < 2:
            continue
        chosen = index.installed.dists.get(project)
        used = next((f for f in folders if chosen and f.path == chosen.folder), folders[-1])
        stale = [folder.path for folder in folders if folder is not used]
        yield _finding(
            "duplicate-metadata",
            f"{project} is recorded as installed {len(folders)} times in {place}: "
            f"{', '.join(folder.version for folder in folders)}; {used.version} counts",
            # In this order: pip would uninstall one of them, and leave the other.
            f"{remove_command(stale)}; pip install --force-reinstall --no-deps {project}=={used.version}",
            project=project,
            used=used.path,
            stale=stale,
        )


def _eggs(index: Index, scan: MetadataScan, ours: frozenset[str]) -> Iterator[DoctorFinding]:
    for egg in scan.folders:
        if not egg.is_egg:
            continue
        real = [folder for folder in scan.of(egg.project) if not folder.is_egg]
        if any(folder.place == egg.place for folder in real):
            what = f"lies beside {real[0].path}"
        elif any(egg.order < folder.order for folder in real):
            what = f"hides {real[-1].path}, which comes later on the search path"
        elif egg.project not in ours or _is_source(egg, index):
            continue
        elif real:
            what = f"lies behind {real[0].path}, which counts"
        else:
            what = "is all that records this distribution, so that pip can neither check nor uninstall it"
        reinstall = "" if real else f"; pip install --force-reinstall {egg.project}"
        yield _finding(
            "leftover-egg-info",
            f"{egg.path} {what}",
            f"{remove_command([egg.path])}{reinstall}",
            project=egg.project,
            path=egg.path,
        )


def _is_source(egg: MetadataFolder, index: Index) -> bool:
    """Whether setuptools wrote it into the sources of an editable install, where it is no harm."""
    dist = index.installed.dists.get(egg.project)
    root = editable_root(dist) if dist else None
    return root is not None and f"{os.path.realpath(egg.path)}{os.sep}".startswith(f"{os.path.realpath(root)}{os.sep}")


def _shadowed(scan: MetadataScan, ours: frozenset[str]) -> Iterator[DoctorFinding]:
    for project in sorted(ours | _LIBRARIES):
        folders = [folder for folder in scan.of(project) if not folder.is_egg]
        behind = [folder for folder in folders if folder.place != folders[0].place]
        if project not in ours:  # a library of the same version is the same library
            behind = [folder for folder in behind if folder.version != folders[0].version]
        if behind:
            others = ", ".join(f"{folder.version} in {folder.place}" for folder in behind)
            yield _finding(
                "shadowed-install",
                f"{project} {folders[0].version} in {folders[0].place} hides {others}",
                f"pip uninstall {project} removes the first; run it again for the other, or keep one environment "
                "from seeing the other's packages",
                project=project,
                used=folders[0].path,
                hidden=[folder.path for folder in behind],
            )


def _remains(scan: MetadataScan) -> Iterator[DoctorFinding]:
    if not scan.remains:
        return
    names = [os.path.basename(path) for path in scan.remains]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    yield _finding(
        "pip-leftover",
        f"a pip that was interrupted left {', '.join(names[:_SHOWN])}{more} in {os.path.dirname(scan.remains[0])}",  # noqa: PTH120 - a string, as above
        remove_command(scan.remains),
        paths=list(scan.remains),
    )


def _incomplete(index: Index, ours: frozenset[str]) -> Iterator[DoctorFinding]:
    for dist in our_dists(index, ours):
        if not dist.folder.endswith(".dist-info"):
            continue
        installer = (dist.metadata.read_text("INSTALLER") or "pip").strip()
        missing = [name for name in ("METADATA", "RECORD") if dist.metadata.read_text(name) is None]
        if installer not in ("pip", "uv"):  # a system's package manager keeps a record of its own
            missing = [name for name in missing if name != "RECORD"]
        if missing:
            harm = _HARM[missing[0]]
            yield _finding(
                "metadata-incomplete",
                f"{dist.folder} lacks {' and '.join(missing)}: {harm}",
                f"{remove_command([dist.folder])}; pip install --force-reinstall --no-deps {dist.name}=={dist.version}",
                project=dist.name,
                path=dist.folder,
                missing=missing,
            )
