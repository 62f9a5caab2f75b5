"""What the host remembers of its plugins between processes: which are switched off, and which failed how often.

One small JSON file for each Python environment. Nothing here may stop the host: a file that cannot be read counts as
empty, and one that cannot be written costs the memory, not the command.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import msgspec

from . import __version__, settings
from .atomic_files import write_atomically
from .file_lock import file_lock
from .records import PluginRecord

logger = logging.getLogger(__name__)

PluginKind = Literal["model", "hooks"]

LOADING = "load"
"""Where a failure happened that happened before any hook was called."""


_LONGEST_MESSAGE = 2000  # characters; what a plugin raises may be of any length


class PluginKey(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one plugin: an upgrade of the plugin or of the host makes another key of it, and so a clean slate.

    Attributes:
        kind: ``model`` or ``hooks``.
        name: Of the plugin.
        dist: Its distribution.
        version: The distribution's.
        manifest: sha256 of the manifest; empty for plugins that bring hooks only.
        host: Version of the host.
    """

    kind: PluginKind
    name: str
    dist: str
    version: str
    manifest: str
    host: str = __version__

    @classmethod
    def of(cls, kind: PluginKind, record: PluginRecord) -> PluginKey:
        """Return the key of an installed plugin under this host."""
        return cls(
            kind=kind,
            name=record.name,
            dist=record.dist_name,
            version=record.dist_version,
            manifest=record.manifest_sha256,
        )


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How a plugin failed at one place, and how often in a row.

    Attributes:
        plugin: Which one.
        place: ``load``, or the name of the hook that raised.
        count: Processes in which it failed, since it last succeeded.
        message: Of the last failure.
        at: When that was, ISO 8601, UTC.
    """

    plugin: PluginKey
    place: str
    count: int
    message: str
    at: str


class Remembered(msgspec.Struct, kw_only=True):
    """The file's content.

    Attributes:
        disabled: Names of plugins and distributions that the user switched off, canonical.
        failures: Of plugins that did not recover since.
    """

    disabled: list[str] = []
    failures: list[Failure] = []


class HostState:
    """Reads and changes what is remembered.

    Args:
        folder: Where; default: the current environment's. It need not exist.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings.environment_dir()
        self.path = self.folder / "plugins.json"

    def read(self) -> Remembered:
        """Return what is remembered; nothing, with a warning, where the file is damaged."""
        try:
            return self._read()
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("%s cannot be read and counts as empty: %s. Remove it to get rid of this", self.path, error)
            return Remembered()

    def _read(self) -> Remembered:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Remembered)
        except (FileNotFoundError, NotADirectoryError):
            return Remembered()

    @contextlib.contextmanager
    def changing(self) -> Iterator[Remembered]:
        """Yield what is remembered and write it back; two processes take turns.

        A damaged file is kept beside the new one. One that a disk will not give at this moment is not replaced: it
        may say what the user switched off.

        Raises:
            OSError: The file cannot be read or written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with file_lock(self.folder / "plugins.lock"):
            try:
                remembered = self._read()
            except (ValueError, RecursionError) as error:
                kept = self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
                logger.warning("%s is damaged: %s. Begun anew; the old one is %s", self.path, error, kept)
                remembered = Remembered()
            yield remembered
            write_atomically(self.path, msgspec.json.format(msgspec.json.encode(remembered), indent=2) + b"\n")

    def record_failure(self, plugin: PluginKey, place: str, message: str) -> int:
        """Count one more failure of a plugin; failures of its other versions are forgotten.

        Returns:
            How often it has failed there in a row; 0 when that could not be written down.
        """
        try:
            with self.changing() as remembered:
                old = [failure for failure in remembered.failures if failure.plugin == plugin]
                count = 1 + sum(failure.count for failure in old if failure.place == place)
                now = datetime.now(timezone.utc).isoformat(timespec="seconds")
                new = Failure(plugin=plugin, place=place, count=count, message=message[:_LONGEST_MESSAGE], at=now)
                others = [failure for failure in remembered.failures if not _is_relative(failure.plugin, plugin)]
                remembered.failures = [*others, *(failure for failure in old if failure.place != place), new]
        except OSError as error:
            logger.debug("a failure of %r cannot be remembered: %s", plugin.name, error)
            return 0
        return count

    def forget_failures(self, plugin: PluginKey, place: str | None = None) -> bool:
        """Forget a plugin's failures, at one place or everywhere; false when there was none."""

        def is_meant(failure: Failure) -> bool:
            return failure.plugin == plugin and place in (None, failure.place)

        if not any(map(is_meant, self.read().failures)):
            return False
        try:
            with self.changing() as remembered:
                remembered.failures = [failure for failure in remembered.failures if not is_meant(failure)]
        except OSError as error:
            logger.debug("that %r works again cannot be remembered: %s", plugin.name, error)
        return True


def _is_relative(one: PluginKey, other: PluginKey) -> bool:
    return (one.kind, one.name, one.dist) == (other.kind, other.name, other.dist)
