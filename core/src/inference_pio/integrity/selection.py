"""Which distributions a lock covers."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..installed import Installed, InstalledDist
from ..manifest_rules import parsed_requirement
from ..names import canonical_name

logger = logging.getLogger(__name__)

HOST = "inference-pio"


def plugin_distributions(installed: Installed) -> list[str]:
    """Names of the host, of all that is named after it, and of whatever ships a plugin, switched off or not; sorted."""
    return sorted(name for name, dist in installed.dists.items() if _is_ours(dist))


def _is_ours(dist: InstalledDist) -> bool:
    return dist.name == HOST or dist.name.startswith(f"{HOST}-") or bool(dist.entry_points)


def with_dependencies(installed: Installed, names: Iterable[str]) -> list[str]:
    """Return the names of distributions and of all installed ones that they require, directly or not; sorted.

    Extras are followed where a requirement names them; an optional dependency that nothing asks for is left out.
    """
    seen: set[tuple[str, str]] = set()
    queue = [(name, "") for name in names]
    while queue:
        item = queue.pop()
        if item not in seen and item[0] in installed.dists:
            seen.add(item)
            queue += _required(installed, *item)
    return sorted({name for name, _ in seen})


def _required(installed: Installed, name: str, extra: str) -> list[tuple[str, str]]:
    """What a distribution requires with an extra: ``(name, extra)``, with an empty extra for the distribution alone."""
    found: list[tuple[str, str]] = []
    for text in installed.requirements(name):
        try:
            requirement = parsed_requirement(text)
            is_wanted = not requirement.marker or requirement.marker.evaluate({"extra": extra})
        except Exception:  # a broken requirement of any kind is pip's business
            logger.debug("skipping the requirement %r of %s", text, name, exc_info=True)
            continue
        if is_wanted:
            required = canonical_name(requirement.name)
            found += [(required, ""), *((required, wanted) for wanted in sorted(requirement.extras))]
    return found
