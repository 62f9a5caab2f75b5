"""Would Python import a plugin from the files that were verified? Found by looking, never by importing."""
# ruff: noqa: PTH118 - every path of a scan is a text

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..manifest_files import PackageFolders
from .dist_state import DistState
from .selection import HOST

_HOST_MODULE = "inference_pio.host"


def find_shadowed(state: DistState, folders: PackageFolders, search_path: Sequence[str] | None = None) -> None:
    """Add a finding for each plugin module whose place on the search path is not the distribution's own."""
    modules = {reference.module for reference in state.references if reference.is_well_formed}
    if state.name == HOST:
        modules.add(_HOST_MODULE)
    listed = _listed(state)
    for module in sorted(modules):
        folder = _folder_of(module, folders, sys.path if search_path is None else search_path)
        stem = os.path.join(os.path.realpath(folder), module.rpartition(".")[2]) if folder else ""
        if folder is None:
            state.find("module-elsewhere", f"{module} is in no folder on the search path")
        elif os.path.normcase(stem) not in listed:
            state.find("module-elsewhere", f"{module} would be imported from {folder}, where RECORD lists no such file")


def _folder_of(module: str, folders: PackageFolders, search_path: Sequence[str]) -> str | None:
    """The folder that an import takes a module from."""
    name = module.rpartition(".")[2]
    candidates = folders.beside(module) if "." in module else [entry or os.curdir for entry in search_path]
    return next((folder for folder in candidates if folders.holds_module(folder, name)), None)


def _listed(state: DistState) -> set[str]:
    """Absolute paths of all modules and packages in RECORD, without what follows the first dot of their names."""
    assert state.place, "only what lies in a folder has a RECORD"
    root = os.path.realpath(state.place.folder)
    found = set()
    for path in state.entries:
        parts = path.split("/")
        if parts[-1].startswith("__init__."):
            parts.pop()
        if parts:
            parts[-1] = parts[-1].partition(".")[0]
            found.add(os.path.normcase(os.path.join(root, *parts)))
    return found
