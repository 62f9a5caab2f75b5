"""Says in words how far a plugin has proven itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..records import PluginRecord
    from ..testing.report import Report


def conformance_text(record: PluginRecord) -> str:
    """Return the level that a plugin has reached here, or how to find out."""
    from ..testing.report import stored_report

    report = stored_report(record)
    if report is None:
        return f"not tested here: inference-pio test {record.name}"
    if not report.describes(record):
        what = f"version {report.version}" if report.version != record.dist_version else "another manifest"
        return f"tested with {what}, not with what is installed now: inference-pio test {record.name}"
    with_torch = f" with torch {report.torch}" if report.torch else ""
    failed = f"; {report.other.failed} tests outside of the levels fail" if report.other.failed else ""
    return f"{report.level or 'no level reached'} (tested {report.started[:10]}{with_torch}{failed})"


def conformance_data(record: PluginRecord) -> dict[str, Any] | None:
    """Return the same for programs; ``None`` when it was never tested here."""
    from ..testing.report import report_path, stored_report

    report = stored_report(record)
    if report is None:
        return None
    return {
        "level": report.level,
        "is_current": report.describes(record),
        "version": report.version,
        "started": report.started,
        "torch": report.torch,
        "import_ms": report.import_ms,
        "other_failed": report.other.failed,
        "report": str(report_path(record)),
    }


def result_lines(report: Report) -> list[str]:
    """Return the level that a run has reached, and what stands in the way of the next one."""
    from ..testing.levels import LEVELS

    counts = ", ".join(f"{level} {report.levels[level].passed}" for level in LEVELS if report.levels[level].passed)
    passed = f" (passed: {counts})" if counts else ""
    missing = LEVELS[LEVELS.index(report.level) + 1 :] if report.level else LEVELS
    obstacle = _obstacle(report, missing[0]) if missing else ""
    if not report.complete and not report.level and not obstacle:
        return [f"conformance of {report.plugin}: no level can be told, for lower ones were left out{passed}"]
    lines = [f"conformance of {report.plugin}: {report.level or 'no level reached'}{passed}"]
    return [*lines, f"  {missing[0]} is not reached: {obstacle}"] if obstacle else lines


def _obstacle(report: Report, level: str) -> str:
    """Say why a run does not reach a level; empty when it was not asked to."""
    objections = [test for test in report.levels[level].tests if test.is_objection]
    if not objections:
        return "none of its tests ran and passed" if report.complete else ""
    counts = [f"{count} {word}" for word in ("failed", "skipped") if (count := _count(objections, word))]
    first = objections[0]
    return f"{' and '.join(counts)}, first {first.name.rpartition('::')[2]}: {_gist(first.message)}"


def _gist(message: str) -> str:
    """Return the line of pytest's account that names the error."""
    lines = message.strip().splitlines()
    return next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1] if lines else "")


def _count(tests: list[Any], outcome: str) -> int:
    return sum(test.outcome == outcome for test in tests)
