"""One check from beginning to end: open the target, look at it, and if asked import it in a process of its own."""

from __future__ import annotations

from .findings import CheckReport, worst_first
from .static_check import static_findings
from .subject import Subject
from .targets import open_target


def check_target(target: str, *, import_: bool = False, timeout_s: float = 60.0) -> CheckReport:
    """Check a plugin.

    Args:
        target: A project folder, a wheel, a source distribution, or the name of something installed.
        import_: Also import it, in a process of its own. Without it no code of the plugin runs.
        timeout_s: Seconds that importing one plugin may take.

    Raises:
        UsageError: There is no such target.
        CheckError: The check cannot run here.
    """
    with open_target(target) as subject:
        return check_subject(subject, import_=import_, timeout_s=timeout_s)


def check_subject(subject: Subject, *, import_: bool = False, timeout_s: float = 60.0) -> CheckReport:
    """Check an opened target; as ``check_target``."""
    findings = list(static_findings(subject))
    measured = {}
    if import_:
        from .import_check import import_findings

        imported = import_findings(subject, findings, timeout_s)
        findings += imported.findings
        measured = imported.measured
    return CheckReport(
        target=subject.target,
        kind=subject.kind,
        dist=subject.metadata.name if subject.metadata else None,
        plugins=subject.plugins,
        findings=worst_first(findings),
        measured=measured,
    )
