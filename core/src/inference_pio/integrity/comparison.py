"""Makes a lock of an inventory, and compares an inventory with a lock."""

from __future__ import annotations

import platform
import sysconfig
from collections.abc import Iterator
from typing import Literal

from ..hookspecs import HOST_API
from .digests import Digest, Unread
from .dist_state import DistState
from .findings import Finding
from .inventory import Inventory
from .lock_file import LOCK_VERSION, Lock, LockedDist, LockedEntryPoint, LockedFile, LockedPython

_CAN_BE_LOCKED = frozenset({"not-verifiable", "record-missing", "hash-missing"})
"""Findings that do not keep a distribution out of a lock: the lock says that it is not verifiable, or has the hash."""

_CAN_BE_ACCEPTED = frozenset({"file-changed", "file-extra", "hash-missing"})
"""Findings against RECORD that a lock answers: it has the hash of what is there."""


def build_lock(inventory: Inventory, scope: Literal["plugins", "dependencies"]) -> Lock:
    """Return the lock of what is installed."""
    return Lock(
        lock_version=LOCK_VERSION,
        scope=scope,
        host_api=HOST_API,
        python=this_python(),
        distributions=[_locked(state) for _, state in sorted(inventory.states.items())],
    )


def obstacles(inventory: Inventory) -> list[Finding]:
    """Return the findings with which nothing should be locked."""
    return [finding for finding in inventory.findings if finding.counts and finding.code not in _CAN_BE_LOCKED]


def this_python() -> LockedPython:
    """Return what a lock says of the interpreter that writes it."""
    return LockedPython(
        implementation=platform.python_implementation(),
        version=platform.python_version(),
        platform=sysconfig.get_platform(),
    )


def compare(lock: Lock, inventory: Inventory, expected: set[str]) -> list[Finding]:
    """Return everything that differs from a lock or from RECORD, in order.

    Args:
        lock: What should be installed.
        inventory: What is; it must have read the files that the lock lists.
        expected: Names of the installed distributions that such a lock should cover.
    """
    locked = {dist.name: dist for dist in lock.distributions}
    found = set(_environment(lock))
    for name in sorted(locked.keys() | inventory.states.keys()):
        state, dist = inventory.states.get(name), locked.get(name)
        if state is None:
            found.add(Finding(name, "", "not-installed", "is locked and not installed"))
        elif dist is None:
            found.update(state.findings)
            if name in expected:
                found.add(Finding(name, "", "not-locked", f"{state.version} is installed and not locked"))
        else:
            found.update(_Comparison(dist, state).findings())
    return sorted(found)


def _locked(state: DistState) -> LockedDist:
    return LockedDist(
        name=state.name,
        version=state.version,
        origin=state.origin,
        installer=state.installer,
        entry_points=state.entry_points,
        not_verifiable=state.not_verifiable,
        files=[] if state.not_verifiable else list(_locked_files(state)),
    )


def _locked_files(state: DistState) -> Iterator[LockedFile]:
    differing = {finding.path for finding in state.findings if finding.code in ("file-changed", "file-extra")}
    for path in sorted({*filter(state.is_locked, state.entries), *state.strays}):
        result = state.results.get(path)
        if isinstance(result, Digest):
            yield LockedFile(path=path, sha256=result.sha256, size=result.size, accepted=path in differing)


def _environment(lock: Lock) -> Iterator[Finding]:
    here = this_python()

    def summary(python: LockedPython, host_api: str) -> str:
        minor = ".".join(python.version.split(".")[:2])
        return f"{python.implementation} {minor} on {python.platform}, host API {host_api}"

    then, now = summary(lock.python, lock.host_api), summary(here, HOST_API)
    if then != now:
        yield Finding("", "", "environment-differs", f"the lock was written with {then}; this is {now}")


class _Comparison:
    """One distribution against its lock.

    Args:
        dist: What should be installed.
        state: What is.
    """

    def __init__(self, dist: LockedDist, state: DistState) -> None:
        self._dist = dist
        self._state = state
        self._found: list[Finding] = []

    def findings(self) -> list[Finding]:
        """Return what differs from the lock, and what differs from RECORD and is not in the lock as it is."""
        dist, state = self._dist, self._state
        if not dist.origin.is_same_as(state.origin):
            self._find("origin-changed", f"came from {dist.origin} when it was locked, now from {state.origin}")
        if dist.installer != state.installer:
            self._find("installer-differs", f"was installed by {_or_nobody(dist)}, now by {_or_nobody(state)}")
        self._compare_entry_points()
        record = list(state.findings)
        if dist.version != state.version:
            # Another version has other files; to list them all would hide this.
            self._find("version-changed", f"is {state.version}, locked is {dist.version}")
        elif not dist.not_verifiable and not state.not_verifiable:
            record = self._compare_files(record)
        return [*self._found, *record]

    def _find(self, code: str, message: str, path: str = "") -> None:
        self._found.append(Finding(self._dist.name, path, code, message))

    def _compare_entry_points(self) -> None:
        def by_place(points: list[LockedEntryPoint]) -> dict[tuple[str, str], LockedEntryPoint]:
            return {(point.group, point.name): point for point in points}

        then, now = by_place(self._dist.entry_points), by_place(self._state.entry_points)
        for group, name in sorted(then.keys() | now.keys()):
            old, new = then.get((group, name)), now.get((group, name))
            if old is None or new is None or old.value != new.value:
                what = f"{name} in {group} is {new.value if new else 'gone'}, locked is {old.value if old else 'none'}"
                self._find("entry-point-changed", what)
            elif old.manifest_sha256 != new.manifest_sha256 and self._dist.version == self._state.version:
                now_is = "has another content" if new.manifest_sha256 else "is not there or cannot be read"
                self._find("manifest-changed", f"the manifest of {name} {now_is}")

    def _compare_files(self, record: list[Finding]) -> list[Finding]:
        """Compare with the lock's files; returns the findings against RECORD that are left."""
        state, locked = self._state, {file.path: file for file in self._dist.files}
        answered: set[str] = set()
        against_record = {(finding.path, finding.code) for finding in record}
        for path, file in locked.items():
            result = state.results.get(path)
            if isinstance(result, Digest) and (result.sha256, result.size) == (file.sha256, file.size):
                if file.accepted or (path, "hash-missing") in against_record:
                    answered.add(path)
            elif isinstance(result, Digest):
                answered.add(path)
                self._find("file-changed", self._against(path, (path, "file-changed") in against_record), path)
            else:
                missing = Unread("file-missing", "is missing")
                answered.add(path)
                self._find((result or missing).code, (result or missing).why, path)
        for path in sorted(filter(state.is_locked, state.entries)):
            if path not in locked and isinstance(state.results.get(path), Digest):
                self._find("file-not-locked", "is in RECORD and not in the lock", path)
        return [f for f in record if f.path not in answered or f.code not in {*_CAN_BE_ACCEPTED, "file-missing"}]

    def _against(self, path: str, differs_from_record: bool) -> str:
        if differs_from_record:
            return "is neither what the lock says nor what RECORD says"
        if path in self._state.entries:
            return "is not what the lock says; RECORD agrees with it, so that was changed too"
        return "is not what the lock says"


def _or_nobody(dist: LockedDist | DistState) -> str:
    return dist.installer or "nobody knows what"
