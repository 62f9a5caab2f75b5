"""All findings of one run, and what they amount to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from ..hookspecs import DoctorFinding

Status = Literal["ok", "warning", "error"]

STATUSES: tuple[Status, ...] = ("ok", "warning", "error")
"""From best to worst."""

GROUPS = ("machine", "libraries", "storage", "installation", "plugins", "hooks")
"""Sections, in the order in which they are shown."""

_INCOMPLETE = frozenset({"requirement-unmet", "editable-gone"})
"""Codes of findings that name a distribution whose plugins cannot be expected to load."""


@dataclass(frozen=True, kw_only=True)
class PluginDefect(DoctorFinding):
    """A finding that is a plugin's fault: its author must mend it, the user can only leave it out."""


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        findings: In the order in which they were made.
    """

    findings: tuple[DoctorFinding, ...]

    @property
    def status(self) -> Status:
        """The worst of all."""
        return max((finding.status for finding in self.findings), key=STATUSES.index, default="ok")

    @property
    def summary(self) -> dict[str, int]:
        """How many findings have which status."""
        counts = Counter(finding.status for finding in self.findings)
        return {status: counts[status] for status in STATUSES}

    def in_group(self, group: str) -> list[DoctorFinding]:
        """Return the findings of one section."""
        return [finding for finding in self.findings if finding.group == group]

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 3 when a plugin is defective, else 1 when something else is broken, else 0.

        A plugin that does not load is not to blame where its distribution is not installed completely.

        Args:
            strict: Warnings count as broken.
        """
        incomplete = {_project(finding, "project") for finding in self.findings if finding.code in _INCOMPLETE}
        defects = [finding for finding in self.findings if isinstance(finding, PluginDefect)]
        if any(finding.status == "error" and _project(finding, "dist") not in incomplete for finding in defects):
            return 3
        bad = ("warning", "error") if strict else ("error",)
        return 1 if any(finding.status in bad for finding in self.findings) else 0


def _project(finding: DoctorFinding, key: str) -> object:
    return finding.data.get(key) if finding.data else finding
