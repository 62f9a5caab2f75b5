"""Where a plugin's manifest lies: found by listing folders, never by importing a package.

``importlib.util.find_spec`` would import the parent packages, which is code of somebody; so the rules of the import
system that matter here are applied to folder listings.
"""
# ruff: noqa: PTH109, PTH116, PTH118, PTH120, PTH123, PTH208 - hundreds of paths; objects cost more than looks

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from .installed import EntryPointRef, InstalledDist
from .manifest import MANIFEST_NAME
from .records import ReasonCode

MAX_MANIFEST_BYTES = 1_000_000
"""A manifest is a few kilobytes; anything of this size is a mistake or an attack."""

EXTRA_METADATA = "extra_metadata"
"""Folder in the ``.dist-info`` where hatchling's ``extra-metadata`` puts it, in wheels and editables alike."""


class ManifestFileError(Exception):
    """The manifest's file cannot be used. ``code`` is that of the reason to show."""

    def __init__(self, code: ReasonCode, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class ManifestFile:
    """A manifest's place and content."""

    path: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


class PackageFolders:
    """Finds the folders that Python would take a package from.

    Args:
        search_path: Folders in import order; default: ``sys.path``.
    """

    def __init__(self, search_path: Sequence[str] | None = None) -> None:
        path = sys.path if search_path is None else search_path
        self._roots = list(dict.fromkeys(entry or os.getcwd() for entry in path))
        self._folders: dict[str, list[str]] = {}
        self._listings: dict[str, frozenset[str]] = {}

    def of(self, package: str) -> list[str]:
        """Return the folders of a package: one for a regular package, any number for a namespace."""
        if package not in self._folders:
            self._folders[package] = self._find(package)
        return self._folders[package]

    def beside(self, module: str) -> list[str]:
        """Return the folders of a module's package that really hold the module."""
        package, _, name = module.rpartition(".")
        return [folder for folder in self.of(package) if self.holds_module(folder, name)] if package else []

    def holds_module(self, folder: str, name: str) -> bool:
        """Whether a folder has a file or sub-package for a module, in whatever form (source, compiled)."""
        return any(child == name or child.startswith(f"{name}.") for child in self._listing(folder))

    def _find(self, package: str) -> list[str]:
        parent, _, name = package.rpartition(".")
        found = []
        for root in self.of(parent) if parent else self._roots:
            if name not in self._listing(root):
                continue
            folder = os.path.join(root, name)
            # inference_pio is regular, but extends its path to all distributions.
            if "__init__.py" in self._listing(folder) and package != "inference_pio":
                return [folder]
            found.append(folder)
        return found

    def _listing(self, folder: str) -> frozenset[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except OSError:  # not there, not a folder, not ours to read
                self._listings[folder] = frozenset()
        return self._listings[folder]


def find_manifest(reference: EntryPointRef, dist: InstalledDist, folders: PackageFolders) -> ManifestFile:
    """Read the manifest of an entry point.

    The file beside the module wins, since it is what the code there was written with; the copy in the ``.dist-info`` is
    for packages that lie in no folder.

    Raises:
        ManifestFileError: There is none, or it cannot be read.
    """
    # The first folder only: that is the one an import takes the module from.
    beside = folders_beside(reference, dist, folders)[:1]
    in_dist_info = [os.path.join(dist.folder, EXTRA_METADATA)] if dist.folder else []
    for folder in (*beside, *in_dist_info):
        path = os.path.join(folder, MANIFEST_NAME)
        if os.path.lexists(path):
            return ManifestFile(path, read_inside(path, folder))
    text = dist.metadata.read_text(f"{EXTRA_METADATA}/{MANIFEST_NAME}")  # in an archive
    if text is not None:
        return ManifestFile(f"{dist.folder}/{EXTRA_METADATA}/{MANIFEST_NAME}", text.encode())
    looked = "".join(beside) or f"the folder of {reference.module} (which was not found)"
    raise ManifestFileError("manifest-missing", f"has no {MANIFEST_NAME}; looked in {looked} and its .dist-info")


def folders_beside(reference: EntryPointRef, dist: InstalledDist, folders: PackageFolders) -> list[str]:
    """Return the folders of the package that holds an entry point's module, in import order."""
    return folders.beside(reference.module) or list(_project_folders(reference, dist, folders))


def read_inside(path: str, folder: str) -> bytes:
    """Read a regular file of modest size that really lies in ``folder``.

    Raises:
        ManifestFileError: It leads elsewhere, is not a file, is too large, or cannot be read.
    """
    real = os.path.realpath(path)
    if os.path.dirname(real) != os.path.realpath(folder):
        raise ManifestFileError("manifest-outside", f"has a manifest that leads out of its folder: {path} -> {real}")
    try:
        status = os.stat(real)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise ManifestFileError("manifest-broken", f"has a manifest that is not a file: {path}")
        if status.st_size > MAX_MANIFEST_BYTES:
            raise ManifestFileError(
                "manifest-broken", f"has a manifest of {status.st_size} bytes; at most {MAX_MANIFEST_BYTES} are read"
            )
        with open(real, "rb") as file:
            return file.read()
    except OSError as error:
        raise ManifestFileError("manifest-broken", f"has a manifest that cannot be read: {error}") from error


def _project_folders(reference: EntryPointRef, dist: InstalledDist, folders: PackageFolders) -> Iterator[str]:
    """Yield where an editable install's sources hold the module, for build tools that leave no path entry."""
    root = editable_root(dist)
    package, _, name = reference.module.rpartition(".")
    if root is None or not package:
        return
    for source in ("src", "."):
        folder = os.path.normpath(os.path.join(root, source, *package.split(".")))
        if folders.holds_module(folder, name):
            yield folder


def editable_root(dist: InstalledDist) -> str | None:
    """Return the folder that an editable install was made from, which need not exist any more; ``None`` for others."""
    try:
        origin = json.loads(dist.metadata.read_text("direct_url.json") or "{}")
        url = urlsplit(origin["url"])
        editable = origin["dir_info"]["editable"] is True
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # in whatever way it is broken
        return None
    if not editable or url.scheme != "file":
        return None
    from urllib.request import url2pathname

    return url2pathname(unquote(url.path)) if os.name == "nt" else unquote(url.path)
