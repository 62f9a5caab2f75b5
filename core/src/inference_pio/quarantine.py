"""Putting plugins aside that failed again and again, so that they cost a line in ``list`` and no longer every command.

What fails is counted under distribution, version, manifest and host version: an upgrade of either starts anew. A
process that dies while it loads a plugin counts as well; it leaves a note of what it was about to do.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator

import msgspec

from .blame import is_blameless
from .errors import PluginError, describe_error
from .file_lock import file_lock
from .host_state import LOADING, HostState, PluginKey, PluginKind, Remembered
from .records import Outcome, PluginRecord, PluginState, Reason

logger = logging.getLogger(__name__)

FAILURE_LIMIT = 3
"""Failures in a row after which a plugin is put aside."""

_NOTES = "loading"
_LONGEST_NOTE = 1 << 16  # bytes


def history_outcome(kind: PluginKind, record: PluginRecord, remembered: Remembered) -> Outcome:
    """Say whether a plugin's past speaks against loading it."""
    plugin = PluginKey.of(kind, record) if remembered.failures else None
    failures = [failure for failure in remembered.failures if failure.plugin == plugin]
    if not failures:
        return Outcome("history", "no failure is on record for this version")
    worst = max(failures, key=lambda failure: failure.count)
    what = f"at {worst.place}, last on {worst.at[:10]}: {worst.message.rstrip('.')}"
    if worst.count >= FAILURE_LIMIT:
        reason = Reason(
            "quarantined",
            f"was put aside after it failed {worst.count} times in a row {what}",
            f"Update it, or give it another chance: inference-pio enable {record.name}",
        )
        return Outcome("history", reasons=(reason,), state=PluginState.QUARANTINED)
    remark = Reason(
        "failed-before",
        f"failed {worst.count} of {FAILURE_LIMIT} times in a row {what}",
        f"It is put aside when it goes on like that; see what it does: inference-pio check {record.name} --import",
    )
    return Outcome("history", f"below {FAILURE_LIMIT} failures in a row", (remark,))


@contextlib.contextmanager
def attempt(state: HostState, plugin: PluginKey) -> Iterator[None]:
    """Leave a note while a plugin is loaded; only a process that dies meanwhile leaves it behind.

    The note is locked until then. The number of a process would say less: containers and machines that share a home
    have numbers of their own, and the system gives each number again.
    """
    note = state.folder / _NOTES / f"{os.getpid()}-{os.urandom(6).hex()}.json"
    with contextlib.ExitStack() as held:
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            descriptor = held.enter_context(file_lock(note, timeout_s=1))
            os.write(descriptor, msgspec.json.encode(plugin))
            held.callback(os.ftruncate, descriptor, 0)  # before the lock goes: an empty note accuses nobody
        except OSError as error:  # a state folder that cannot be written to costs this memory, nothing else
            logger.debug("no note of loading %r: %s", plugin.name, error)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                held.close()
            with contextlib.suppress(OSError):  # after it is closed, or Windows would refuse
                note.unlink(missing_ok=True)


def count_the_dead(state: HostState) -> None:
    """Count a failure for each plugin that a process died of while loading it, and remove what those left behind."""
    try:
        notes = sorted((state.folder / _NOTES).iterdir())
    except OSError:  # nothing was ever loaded here
        return
    for note in notes:
        try:
            with file_lock(note, timeout_s=0) as descriptor:
                content = os.read(descriptor, _LONGEST_NOTE)
                os.ftruncate(descriptor, 0)  # of two processes that look, one counts
            note.unlink(missing_ok=True)
        except OSError:  # its process is alive, or nothing can be written here
            continue
        with contextlib.suppress(ValueError):
            plugin = msgspec.json.decode(content, type=PluginKey)
            state.record_failure(plugin, LOADING, "a process ended in the middle of it: os._exit, a crash or a kill")


class FailureBook:
    """Writes down which plugins fail in this process and which work again. Each counts once at each place.

    Args:
        state: What is remembered between processes.
    """

    def __init__(self, state: HostState | None = None) -> None:
        self.state = state or HostState()
        self._failed: set[tuple[PluginKey, str]] = set()

    @functools.cached_property
    def _suspects(self) -> set[tuple[PluginKey, str]]:
        return {(failure.plugin, failure.place) for failure in self.state.read().failures}

    def failed(self, plugin: PluginKey, place: str, error: BaseException) -> None:
        """Count a failure, unless the plugin is not to blame for it."""
        if (plugin, place) in self._failed:
            return
        self._failed.add((plugin, place))
        if is_blameless(error):
            return
        message = error.detail if isinstance(error, PluginError) else describe_error(error)
        if self.state.record_failure(plugin, place, message) == FAILURE_LIMIT:
            logger.warning(
                "plugin %r (%s %s) has failed %d times in a row and is put aside from now on. Update it; "
                "inference-pio why-not %s says more",
                plugin.name, plugin.dist, plugin.version, FAILURE_LIMIT, plugin.name,
            )  # fmt: skip

    def worked(self, plugin: PluginKey, place: str) -> None:
        """Forget earlier failures there: those are in a row no longer."""
        if self._suspects and (plugin, place) in self._suspects and (plugin, place) not in self._failed:
            self._suspects.discard((plugin, place))
            self.state.forget_failures(plugin, place)
