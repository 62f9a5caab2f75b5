"""From what somebody typed to a subject: a path first, then the name of something installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..installed import Installed, scan_installed
from ..manifest import MANIFEST_NAME
from ..names import canonical_name, nearest_names
from .folder_subject import PYPROJECT, open_folder
from .installed_subject import find_installed, open_installed
from .sdist_subject import open_sdist
from .subject import Subject
from .wheel_subject import open_wheel


@contextlib.contextmanager
def open_target(target: str) -> Iterator[Subject]:
    """Yield what ``target`` names.

    Raises:
        UsageError: There is no such file, folder or plugin.
    """
    path = Path(target).expanduser()
    if path.is_file():
        with _open_file(path, target) as subject:
            yield subject
        return
    if path.is_dir() and any((path / name).is_file() for name in (PYPROJECT, MANIFEST_NAME)):
        yield open_folder(path.resolve(), target)
        return
    installed = scan_installed()
    dist = find_installed(installed, target)
    if dist is None:
        raise UsageError(_unknown(target, path, installed))
    yield open_installed(dist, target)


def _open_file(path: Path, target: str) -> contextlib.AbstractContextManager[Subject]:
    if path.suffix == ".whl":
        return open_wheel(path, target)
    if path.name.endswith((".tar.gz", ".tgz")):
        return open_sdist(path, target)
    if path.name in (PYPROJECT, MANIFEST_NAME):
        return contextlib.nullcontext(open_folder(path.resolve().parent, target))
    raise UsageError(f"{target} is neither a wheel (.whl), a source distribution (.tar.gz) nor a project folder")


def _unknown(target: str, path: Path, installed: Installed) -> str:
    if path.is_dir():
        return f"{target} holds neither {PYPROJECT} nor {MANIFEST_NAME}. Give the folder of a project"
    if len(path.parts) > 1 or path.suffix in (".whl", ".gz"):
        return f"there is no file or folder {target}"
    plugins = {canonical_name(ref.name) for dist in installed.dists.values() for ref in dist.entry_points}
    nearest = nearest_names(target, plugins)
    hint = (
        f"Did you mean {' or '.join(map(repr, nearest))}?" if nearest else "See what is installed: inference-pio list"
    )
    return f"nothing here is called {target!r}: no file, no folder, no installed plugin or distribution. {hint}"
