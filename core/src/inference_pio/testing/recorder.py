"""Listens to a run of pytest and writes the conformance report at its end."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .. import __version__
from ..atomic_files import write_atomically
from ..errors import UnknownPluginError, UsageError
from ..host import default_host
from ..names import canonical_name
from ..records import PluginRecord
from .installed_plugins import find_plugin
from .kit_tests import KITS, name_in_kit, required_tests
from .levels import MARKER
from .report import Report, TestOutcome, results_by_level
from .selection import level_of, need_of

if TYPE_CHECKING:
    from ..host_state import PluginKind

IMPORT_MS = "import_ms"
"""Name of the property by which a test hands over the measured import time."""

LONGEST_MESSAGE = 4000
"""Characters of a failure that the report keeps; the end of it, where the error stands."""


class Recorder:
    """A pytest plugin of one run.

    Args:
        config: Of the run; its options say where the report goes and which plugin it is about.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._path = Path(config.getoption("conformance_report")).absolute()
        self._plugin: str | None = config.getoption("conformance_plugin")
        self._started = datetime.datetime.now(datetime.timezone.utc)
        self._tests: dict[str, tuple[str | None, TestOutcome]] = {}
        self._is_partial = bool(config.option.collectonly)
        self._import_ms: float | None = None
        self._ran_of_kit: set[str] = set()
        self._not_wanted: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note each test's level, and find out whom the report is about."""
        if self._plugin is None:
            named = {name for item in items if (name := getattr(getattr(item, "cls", None), "plugin_name", None))}
            if len(named) != 1:
                found = ", ".join(sorted(named)) or "none"
                raise pytest.UsageError(
                    f"a conformance report is about one plugin, and these tests name {found}; "
                    "say which: --conformance-plugin NAME"
                )
            self._plugin = named.pop()
        _, record = _plugin_of(self._plugin)
        for item in items:
            # A test class that was copied proves something of the plugin that it still names, and nothing of this one.
            is_meant = canonical_name(getattr(getattr(item, "cls", None), "plugin_name", record.name)) in (
                record.name,
                record.dist_name,
            )
            level = level_of(item) if is_meant else None
            item.user_properties.append((MARKER, (level, need_of(item), name_in_kit(item) if is_meant else "")))

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note whether something was left out that any machine could run."""
        left_out = [item for item in items if not need_of(item)]
        self._is_partial = self._is_partial or bool(left_out)
        self._not_wanted |= {name_in_kit(item) for item in left_out}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a test file that cannot be imported: its tests, whatever they are, have not passed."""
        if report.failed:
            message = _tail(report.longreprtext)
            self._tests[report.nodeid] = None, TestOutcome(name=report.nodeid, outcome="failed", message=message)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test; the worst of the three counts."""
        properties: dict[str, Any] = dict(report.user_properties)
        level, need, kits = properties.get(MARKER, (None, "", ""))
        if kits and report.outcome != "skipped":
            self._ran_of_kit.add(kits)
        self._import_ms = properties.get(IMPORT_MS, self._import_ms)
        _, before = self._tests.get(report.nodeid, (None, None))
        outcome, message = report.outcome, _message(report)
        if before is not None and (before.outcome == "failed" or report.outcome == "passed"):
            outcome, message = before.outcome, before.message
        seconds = round(report.duration + (before.seconds if before else 0), 3)
        self._tests[report.nodeid] = (
            level,
            TestOutcome(name=report.nodeid, outcome=outcome, seconds=seconds, message=message, needs=need),
        )

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that somebody broke the run off; pytest itself does so when a file cannot be imported."""
        self._is_partial = self._is_partial or not isinstance(excinfo.value, pytest.Session.Interrupted)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report, unless the run never got as far as to know whom it is about."""
        # pytest sets shouldfail for -x and --maxfail, and for files that could not be imported.
        stopped_early = bool(session.shouldstop) or (bool(session.shouldfail) and session.testscollected > 0)
        chosen = self._config.option
        left_out = any(getattr(chosen, name, None) for name in ("ignore", "ignore_glob", "lf", "stepwise"))
        if self._plugin is None or hasattr(self._config, "workerinput"):
            return
        complete = not (self._is_partial or stopped_early or left_out or len(self._config.args) != 1)
        kind, record = _plugin_of(self._plugin)
        report = self._report(record, [*self._tests.values(), *self._left_out(kind)], complete=complete)
        write_atomically(self._path, report.as_json())

    def _left_out(self, kind: PluginKind) -> Iterator[tuple[str, TestOutcome]]:
        """Yield the kit's own tests that are not there or were skipped, of the levels that were tested at all."""
        message = f"is the kit's own and did not run as it stands: inherit it from {KITS[kind].__name__}"
        for level, names in required_tests(kind).items():
            if any(of == level for of, _ in self._tests.values()):
                for name in sorted(names - self._ran_of_kit - self._not_wanted):
                    yield level, TestOutcome(name=f"{KITS[kind].__name__}::{name}", outcome="skipped", message=message)

    def _report(self, record: PluginRecord, tests: list[tuple[str | None, TestOutcome]], *, complete: bool) -> Report:
        levels, other, level = results_by_level(tests)
        return Report(
            plugin=record.name,
            dist=record.dist_name,
            version=record.dist_version,
            manifest_sha256=record.manifest_sha256 or None,
            host_version=__version__,
            python=platform.python_version(),
            torch=default_host().index.installed.version("torch"),
            started=self._started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            complete=complete,
            level=level,
            import_ms=self._import_ms,
            levels=levels,
            other=other,
        )


def _plugin_of(name: str) -> tuple[PluginKind, PluginRecord]:
    try:
        return find_plugin(name)
    except (UnknownPluginError, UsageError) as error:
        raise pytest.UsageError(str(error)) from error


def _message(report: pytest.TestReport) -> str:
    if report.outcome == "passed":
        return ""
    if hasattr(report, "wasxfail"):
        return f"expected failure: {report.wasxfail}"
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return _tail(report.longreprtext)


def _tail(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"…{text[-LONGEST_MESSAGE:]}"
