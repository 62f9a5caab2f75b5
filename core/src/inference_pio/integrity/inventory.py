"""The inventory: every file of some distributions, read and compared with RECORD. No code of theirs runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..installed import Installed
from ..manifest_files import PackageFolders
from .bytecode import changed_bytecode, unchecked_bytecode
from .digests import Digest, Unread, digest_files
from .dist_state import DistState, is_cached_bytecode, read_state
from .findings import Finding
from .launchers import launcher_fault
from .places import OutsideError
from .selection import plugin_distributions
from .shadowing import find_shadowed
from .strays import find_strays

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes to do."""


@dataclass(frozen=True)
class Inventory:
    """What is installed.

    Attributes:
        states: The distributions that were looked at, by name, in order.
    """

    states: Mapping[str, DistState]

    @property
    def findings(self) -> list[Finding]:
        """Everything that differs from RECORD, in order."""
        return sorted({finding for state in self.states.values() for finding in state.findings})


def take_inventory(
    installed: Installed,
    names: Iterable[str],
    *,
    more: Mapping[str, Iterable[str]] | None = None,
    search_path: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Inventory:
    """Read every file of some distributions.

    Args:
        installed: A scan.
        names: The distributions; those that are not installed are left out.
        more: Files to read besides those in RECORD, by distribution, as RECORD would write them.
        search_path: Where packages are looked for; default: ``sys.path``.
        progress: Called while files are read.
    """
    folders = PackageFolders(search_path)
    states = {
        name: read_state(installed.dists[name], folders) for name in sorted(set(names)) if name in installed.dists
    }
    for stray in find_strays(states.values(), installed):
        _add_stray(states[stray.dist], stray.path, stray.owner)
    _read_files(states.values(), more or {}, progress)
    plugins = set(plugin_distributions(installed))
    for state in states.values():
        _compare_with_record(state)
        if state.name in plugins and not state.not_verifiable:
            find_shadowed(state, folders, search_path)
            _check_bytecode(state)
    return Inventory(states)


def _add_stray(state: DistState, path: str, owner: str) -> None:
    assert state.place, "it was found in the folder"
    relative = state.place.relative(path)
    if owner:
        state.find("file-foreign", f"lies in the package of this plugin, and belongs to {owner}", relative)
    else:
        state.find("file-extra", "is in no RECORD", relative)
        state.strays.append(relative)


def _read_files(states: Iterable[DistState], more: Mapping[str, Iterable[str]], progress: Progress | None) -> None:
    """Read what RECORD lists, what lies about, and what the caller wants; results go into the states."""
    jobs: list[tuple[DistState, str, str, str]] = []
    for state in states:
        wanted = dict.fromkeys([*state.entries, *state.strays, *more.get(state.name, ())])
        for path in (path for path in wanted if state.place and not is_cached_bytecode(path)):
            assert state.place, "the line above says so"
            try:
                algorithm = state.entries[path].algorithm if path in state.entries else ""
                jobs.append((state, path, state.place.locate(path), algorithm))
            except OutsideError as error:
                state.results[path] = Unread("path-outside", str(error))
    total = sum(state.entries[path].size or 0 for state, path, _, _ in jobs if path in state.entries)
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        if progress:
            progress(done, max(done, total))

    results = digest_files(((path, algorithm) for _, _, path, algorithm in jobs), count)
    for (state, path, _, _), result in zip(jobs, results, strict=True):
        state.results[path] = result


def _compare_with_record(state: DistState) -> None:
    for path, entry in state.entries.items():
        result = state.results.get(path)
        if isinstance(result, Unread):
            state.find(result.code, result.why, path)
        elif result is None:
            pass  # bytecode, which has a check of its own
        elif entry.size is not None and entry.size != result.size:
            state.find("file-changed", f"has {result.size} bytes, RECORD says {entry.size}", path)
        elif not entry.digest:
            if not state.is_bookkeeping(path):  # RECORD cannot hold its own hash
                state.find("hash-missing", "has no usable hash in RECORD", path)
        elif entry.digest != result.recorded:
            state.find("file-changed", "has another content than RECORD says", path)
    for path, (module, attribute) in state.launchers.items():
        if isinstance(state.results.get(path), Digest) and not path.endswith(".exe"):
            assert state.place, "a file of it was read"
            if fault := launcher_fault(state.place.locate(path), module, attribute):
                state.find("launcher-changed", fault, path)


def _check_bytecode(state: DistState) -> None:
    assert state.place, "what is verifiable lies in a folder"
    sources = [
        state.place.locate(path)
        for path in state.entries
        if path.endswith(".py") and isinstance(state.results.get(path), Digest)
    ]
    for pyc in unchecked_bytecode(sources):
        state.find("bytecode-unchecked", "is never compared with its source", _shown(state, pyc))
    for pyc, why in changed_bytecode(sources):
        state.find("bytecode-changed", why, _shown(state, pyc))


def _shown(state: DistState, path: str) -> str:
    assert state.place, "what is verifiable lies in a folder"
    # PYTHONPYCACHEPREFIX may put bytecode anywhere.
    return state.place.relative(path) if path.startswith(state.place.folder + os.sep) else path
