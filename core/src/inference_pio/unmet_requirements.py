"""What a distribution asks for in its own metadata and does not find: ``pip check`` for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .gates import satisfies
from .installed import Installed, InstalledDist
from .manifest_rules import parsed_requirement

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def unmet_requirements(dist: InstalledDist, installed: Installed) -> Iterator[tuple[Requirement, str | None]]:
    """Yield requirements that are not met, with the version that is installed instead."""
    try:
        texts = dist.metadata.requires or []
    except Exception:  # noqa: BLE001 - no METADATA, or a broken one: doctor says so
        return
    for text in texts:
        try:
            requirement = parsed_requirement(text)
        except ValueError:
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = installed.version(requirement.name)
        if found is None or not satisfies(found, str(requirement.specifier)):
            yield requirement, found
