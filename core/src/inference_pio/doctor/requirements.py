"""Whether what our distributions require is installed: ``pip check`` for the host and its plugins."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..hookspecs import DoctorFinding
from ..unmet_requirements import unmet_requirements

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from ..discovery import Index


def requirement_findings(index: Index) -> Iterator[DoctorFinding]:
    """Yield one finding for each of our distributions that lacks something its own metadata asks for."""
    for name, dist in sorted(index.installed.dists.items()):
        if not dist.entry_points and name != "inference-pio":
            continue
        unmet = list(unmet_requirements(dist, index.installed))
        if unmet:
            wanted = [_install(requirement) for requirement, _ in unmet]
            yield DoctorFinding(
                code="requirement-unmet",
                group="installation",
                name="requirements",
                status="error",
                message=f"{name} {dist.version} requires " + ", ".join(_sentence(*pair) for pair in unmet),
                fix=f"pip install {shlex.join(wanted)}",
                data={"project": name, "requirements": {str(wanted): found for wanted, found in unmet}},
            )


def _sentence(requirement: Requirement, found: str | None) -> str:
    return f"{_install(requirement)} ({f'installed is {found}' if found else 'not installed'})"


def _install(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"
