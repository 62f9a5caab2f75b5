"""What a check reports: findings with stable codes, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..codes import Severity, check, check_code, check_import

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""

TargetKind = Literal["folder", "wheel", "sdist", "installed"]

TABLES = (check.TABLE, check_code.TABLE, check_import.TABLE)
"""Every code that a check can report."""

_CODES = {code.name: code for table in TABLES for code in table.codes}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        code: Stable; ``inference-pio explain CODE`` says what it means.
        severity: ``error`` (does not work, or breaks a rule that others rely on), ``warning`` (works, but costs
            somebody something), ``info`` (an offer).
        message: What was found; one sentence without its full stop.
        where: ``file:line``, ``file:$.json.path``, a file, or empty for the whole.
        fix: What to do about it.
    """

    code: str
    severity: Severity
    message: str
    where: str
    fix: str

    @property
    def docs(self) -> str:
        """Where the documentation explains the code, relative to the root of ``docs/``."""
        return f"reference/codes.md#{self.code}"

    def as_data(self) -> dict[str, str]:
        """Return it for JSON."""
        fields = {"code": self.code, "severity": self.severity, "message": self.message, "where": self.where}
        return {**fields, "fix": self.fix, "docs": self.docs}


def finding(code: str, message: str, where: str = "", *, fix: str = "", severity: Severity | None = None) -> Finding:
    """Make a finding; severity and fix are those of the code's table unless the case at hand says more."""
    known = _CODES[code]
    return Finding(code, severity or known.severity, message, where, fix or known.fix)


@dataclass(frozen=True)
class CheckReport:
    """Everything one check found.

    Attributes:
        target: What was asked for, as it was asked for.
        kind: What it turned out to be.
        dist: Name of the distribution; ``None`` when its metadata does not say.
        plugins: Names of its entry points, models first.
        findings: Worst first; within a severity in the order in which the checks ran.
        measured: What ``--import`` measured for each plugin, by name: ``seconds``, ``heavy`` (libraries it brought in).
    """

    target: str
    kind: TargetKind
    dist: str | None
    plugins: tuple[str, ...]
    findings: tuple[Finding, ...]
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return not self.counts["error"]

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of each severity there are."""
        return {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "target": self.target,
            "kind": self.kind,
            "dist": self.dist,
            "plugin": self.plugins[0] if self.plugins else None,
            "plugins": list(self.plugins),
            "findings": [found.as_data() for found in self.findings],
            "counts": self.counts,
            "ok": self.is_ok,
            "measured": {name: dict(values) for name, values in self.measured.items()},
        }


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by severity, each finding once; otherwise the order stays."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda found: SEVERITIES.index(found.severity)))
