"""Editable installs whose sources have moved on: entry points, version and manifest copy date from the install."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checking.toml_reader import read_toml
from ..errors import InferencePioError
from ..hookspecs import DoctorFinding
from ..installed import HOOKS_GROUP, MODELS_GROUP, InstalledDist
from ..manifest import MANIFEST_NAME
from ..manifest_files import EXTRA_METADATA, editable_root

if TYPE_CHECKING:
    from ..discovery import Index

logger = logging.getLogger(__name__)


def editable_findings(index: Index) -> Iterator[DoctorFinding]:
    """Compare each editable install of a plugin, or of the host, with the project that it was made from."""
    for dist in index.installed.dists.values():
        if dist.entry_points or dist.name.startswith("inference-pio"):
            root = editable_root(dist)
            if root is not None:
                yield from _compare(dist, Path(root))


def _compare(dist: InstalledDist, root: Path) -> Iterator[DoctorFinding]:
    if not root.is_dir():
        yield DoctorFinding(
            code="editable-gone",
            group="installation",
            name="editable",
            status="error",
            message=f"{dist.name} {dist.version} is an editable install of {root}, which is gone",
            fix=f"pip uninstall {dist.name}, or pip install -e its new folder",
            data={"project": dist.name, "source": str(root)},
        )
        return
    differences = [*_project_differences(dist, root), *_manifest_differences(dist, root)]
    if differences:
        yield DoctorFinding(
            code="editable-stale",
            group="installation",
            name="editable",
            status="warning",
            message=f"{root} has changed since its editable install: {'; '.join(differences)}",
            fix=f"pip install --no-deps -e {shlex.quote(str(root))}",
            data={"project": dist.name, "source": str(root), "differences": differences},
        )


def _project_differences(dist: InstalledDist, root: Path) -> Iterator[str]:
    project = _written_project(root / "pyproject.toml")
    version = project.get("version")
    if isinstance(version, str) and not _is_same_version(version, dist.version):
        yield f"version {version}, installed is {dist.version}"
    if not project or "entry-points" in project.get("dynamic", []):
        return
    installed = {(point.group, point.name): point.value for point in dist.entry_points}
    written = _written_entry_points(project)
    for key in sorted(installed.keys() | written.keys()):
        if installed.get(key) != written.get(key):
            there, here = written.get(key, "nothing"), installed.get(key, "nothing")
            yield f"entry point {key[1]} is {there}, installed is {here}"


def _written_project(path: Path) -> dict[str, Any]:
    """Return the ``[project]`` table; nothing for an older way of describing a project, which its build tool reads."""
    try:
        found = read_toml(path.read_bytes()).get("project")
    except (OSError, ValueError, InferencePioError) as error:  # gone, broken, or no reader on Python 3.10
        logger.debug("%s is not compared: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}


def _written_entry_points(project: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    groups = project.get("entry-points")
    found = {group: groups.get(group) for group in (MODELS_GROUP, HOOKS_GROUP)} if isinstance(groups, dict) else {}
    return {
        (group, name.strip()): str(value).strip()
        for group, points in found.items()
        if isinstance(points, dict)
        for name, value in points.items()
    }


def _is_same_version(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _manifest_differences(dist: InstalledDist, root: Path) -> Iterator[str]:
    """Compare the copy in the ``.dist-info`` with the manifest beside the module; formatting is no change."""
    copy = dist.metadata.read_text(f"{EXTRA_METADATA}/{MANIFEST_NAME}")
    if copy is None:
        return
    for point in dist.entry_points:
        package = point.module.rpartition(".")[0].split(".")
        for source in ("src", "."):
            path = root.joinpath(source, *package, MANIFEST_NAME)
            if point.group == MODELS_GROUP and path.is_file():
                yield from _changed_fields(copy, path)
                return


def _changed_fields(copy: str, path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
        old, new = json.loads(copy), json.loads(text)
    except (
        OSError,
        ValueError,
        RecursionError,
    ) as error:  # broken there: that is the index's business, not a difference
        logger.debug("%s cannot be compared: %s", path, error)
        return
    if old == new:
        return
    keys = sorted(old.keys() | new.keys()) if isinstance(old, dict) and isinstance(new, dict) else []
    changed = [key for key in keys if old.get(key) != new.get(key)]
    yield f"{MANIFEST_NAME} differs from the installed copy in {', '.join(changed) or 'everything'}"
