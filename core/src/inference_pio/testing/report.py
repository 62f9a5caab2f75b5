"""The conformance report: what was tested, on what, with what result. Written by pytest, read by ``info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from .. import settings
from ..atomic_files import write_atomically
from .levels import LEVELS, NOT_APPLICABLE, reached_level

if TYPE_CHECKING:
    from ..records import PluginRecord

SCHEMA_VERSION = 1


class TestOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one test.

    Attributes:
        name: pytest's node id, relative to the folder of the tests.
        outcome: An error in a fixture is a failure; an expected failure counts as skipped.
        seconds: With its fixtures.
        message: Why it failed or was skipped; empty for a test that passed.
        needs: What it needs that not every machine has: ``weights``, ``gpu`` or ``slow``; empty: nothing.
    """

    __test__ = False  # for pytest: a class that is called Test… and holds no tests

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    seconds: float = 0.0
    message: str = ""
    needs: str = ""

    @property
    def is_objection(self) -> bool:
        """Whether it stands against the level that it belongs to."""
        if self.outcome == "skipped":
            return not self.needs and not self.message.startswith(NOT_APPLICABLE)
        return self.outcome == "failed"


class LevelResult(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one level, counted and named."""

    passed: int
    failed: int
    skipped: int
    tests: list[TestOutcome]

    @classmethod
    def of(cls, tests: list[TestOutcome]) -> LevelResult:
        """Count outcomes."""
        outcomes = [test.outcome for test in tests]
        passed, failed, skipped = (outcomes.count(kind) for kind in ("passed", "failed", "skipped"))
        return cls(passed=passed, failed=failed, skipped=skipped, tests=tests)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a plugin's tests.

    Attributes:
        plugin: Entry point name.
        dist: Distribution.
        version: Its version.
        manifest_sha256: Of the manifest's bytes, hex; ``None`` for a plugin without one.
        host_version: Of inference-pio.
        python: Version of Python.
        torch: Version of torch, from its metadata; ``None`` when it is not installed.
        started: When, ISO 8601, UTC.
        complete: Nothing was left out but tests that need weights, a GPU or long.
        level: The highest level reached; ``None``: none.
        import_ms: Median time that importing the plugin takes, with its first object, beyond the host's own import.
        levels: Every level, also those without tests.
        other: The tests that belong to no level.
    """

    schema_version: int = SCHEMA_VERSION
    plugin: str
    dist: str
    version: str
    manifest_sha256: str | None
    host_version: str
    python: str
    torch: str | None
    started: str
    complete: bool
    level: str | None
    import_ms: float | None
    levels: dict[str, LevelResult]
    other: LevelResult

    def as_json(self) -> bytes:
        """Return the report as an indented JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def describes(self, record: PluginRecord) -> bool:
        """Whether it is about what is installed now."""
        return (self.plugin, self.version, self.manifest_sha256) == (
            record.name, record.dist_version, record.manifest_sha256 or None,
        )  # fmt: skip


def results_by_level(
    tests: list[tuple[str | None, TestOutcome]],
) -> tuple[dict[str, LevelResult], LevelResult, str | None]:
    """Sort outcomes into levels; return them, those that belong to none, and the level reached."""
    by_level = {level: [test for of, test in tests if of == level] for level in LEVELS}
    levels = {level: LevelResult.of(found) for level, found in by_level.items()}
    return levels, LevelResult.of([test for of, test in tests if of is None]), reached_level(by_level)


def report_path(record: PluginRecord) -> Path:
    """Where the report of a plugin is kept. A folder a distribution, for one may bring several plugins."""
    return settings.environment_dir() / "conformance" / record.dist_name / f"{record.name}.json"


def store_report(report: Report, record: PluginRecord) -> Path:
    """Keep a report where ``stored_report`` finds it, and return the place.

    Raises:
        OSError: It cannot be written.
    """
    path = report_path(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, report.as_json())
    return path


def read_report(path: Path) -> Report | None:
    """Read a report; ``None`` when there is none, or none that this version understands."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
    return report if report.schema_version == SCHEMA_VERSION else None


def stored_report(record: PluginRecord) -> Report | None:
    """Return the report that ``inference-pio test`` kept for a plugin, whatever version it is about."""
    return read_report(report_path(record))
