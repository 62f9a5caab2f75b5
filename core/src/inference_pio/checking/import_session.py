"""Imports one plugin and watches what that does; runs in a process of its own, which may die at any moment.

Each observation is written to a file at once, as one line of JSON, so that what was seen before a crash is known.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import PluginLoadError, describe_error
from ..hook_registry import HookRegistry
from ..installed import HOOKS_GROUP, EntryPointRef
from ..loading import SLOW_IMPORT_S, load_entry_point, load_plugin
from ..manifest import check_manifest
from ..records import PluginRecord, PluginState
from .hygiene import HEAVY


class Tell(Protocol):
    """Writes one observation."""

    def __call__(self, **observation: Any) -> None:
        """Write it."""


def run_session(job: Mapping[str, Any]) -> None:
    """Do one job and end the process; nothing that the plugin left behind (threads, exit handlers) gets a say."""
    import json

    with Path(job["report"]).open("a", encoding="utf-8") as file:

        def tell(**observation: Any) -> None:
            file.write(json.dumps(observation) + "\n")
            file.flush()

        reference = EntryPointRef(job["group"], job["name"], job["value"])
        if _import(reference, tell):
            tell(stage="factory" if reference.group != HOOKS_GROUP else "hooks")
            (_register if reference.group == HOOKS_GROUP else _load_twice)(_record(job), tell)
        tell(done=True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the plugin may have put anything there
            stream.flush()
    os._exit(0)


def _record(job: Mapping[str, Any]) -> PluginRecord:
    return PluginRecord(
        name=job["name"],
        dist_name=job["dist"],
        dist_version=job["version"],
        entry_point=job["value"],
        state=PluginState.READY,
        manifest=check_manifest(job["manifest"]).manifest if job["manifest"] else None,
    )


def _import(reference: EntryPointRef, tell: Tell) -> bool:
    tell(stage="import")
    before = _Process.now()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        importlib.import_module(reference.module)
    except SystemExit as error:
        tell(code="import-exits", message=f"importing {reference.module} called sys.exit({error.code!r})")
        return False
    except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is what is asked for here
        tell(code="import-failed", message=f"importing {reference.module} failed: {describe_error(error)}")
        return False
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    heavy = sorted(HEAVY & {name.partition(".")[0] for name in sys.modules})
    tell(measured={"seconds": round(wall, 3), "cpu_seconds": round(cpu, 3), "heavy": heavy})
    if heavy:
        tell(code="import-loads-heavy", message=f"importing {reference.module} loads {', '.join(heavy)}")
    if cpu > SLOW_IMPORT_S:  # of the processor, for a busy machine is not the plugin's fault
        tell(code="import-slow", message=f"importing {reference.module} takes {cpu:.1f} s of processor time")
    for code, what in before.changes():
        tell(code=code, message=f"importing {reference.module} {what}")
    return True


@dataclass(frozen=True)
class _Process:
    """What belongs to the whole process and is none of a plugin's business."""

    environment: dict[str, str]
    folder: str
    signals: dict[int, Any]
    handlers: list[logging.Handler]
    level: int
    disabled: int
    threads: set[threading.Thread]

    @classmethod
    def now(cls) -> _Process:
        """Take a snapshot."""
        return cls(
            environment=dict(os.environ),
            folder=_folder(),
            signals={int(number): signal.getsignal(number) for number in signal.valid_signals()},
            handlers=list(logging.root.handlers),
            level=logging.root.level,
            disabled=logging.root.manager.disable,
            threads=set(threading.enumerate()),
        )

    def changes(self) -> Iterator[tuple[str, str]]:
        """Yield the code and a description of everything that is different now."""
        now = self.now()
        names = {name for name, _ in self.environment.items() ^ now.environment.items()}
        if names:
            yield "import-changes-environment", f"changes environment variables: {', '.join(sorted(names))}"
        if now.folder != self.folder:
            yield "import-changes-folder", f"changes the working folder to {now.folder}"
        numbers = [number for number, handler in now.signals.items() if handler is not self.signals.get(number)]
        if numbers:
            yield "import-changes-signals", f"changes signal handlers: {', '.join(map(_signal_name, numbers))}"
        if (now.handlers, now.level, now.disabled) != (self.handlers, self.level, self.disabled):
            yield "import-changes-logging", "changes the root logger's handlers or level, or disables logging"
        threads = sorted(thread.name for thread in now.threads - self.threads if thread.is_alive())
        if threads:
            yield "import-leaves-threads", f"leaves threads running: {', '.join(threads)}"


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # the plugin has removed it
        return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)


def _load_twice(record: PluginRecord, tell: Tell) -> None:
    """Load the plugin as the host does, two times: a factory makes a new object for each caller."""
    try:
        first = load_plugin(record)
        second = load_plugin(record)
    except PluginLoadError as error:
        # The host chains what the plugin raised; what it refuses by itself has no cause.
        code = "factory-failed" if error.__cause__ is not None else "plugin-unfit"
        tell(code=code, message=f"the plugin {error.detail}")
        return
    except BaseException as error:  # noqa: BLE001 - as above
        tell(code="factory-failed", message=f"the factory failed: {describe_error(error)}")
        return
    if first is second:
        tell(code="factory-shares-object", message="the factory returns the same object each time")


def _register(record: PluginRecord, tell: Tell) -> None:
    try:
        HookRegistry().register(load_entry_point(record, HOOKS_GROUP), record.name, record.dist)
    except PluginLoadError as error:
        tell(code="hooks-refused", message=f"the plugin {error.detail}")
    except BaseException as error:  # noqa: BLE001 - as above
        tell(code="hooks-refused", message=f"the hooks cannot be registered: {describe_error(error)}")
