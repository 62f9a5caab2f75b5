"""What a distribution asks pip for: the host within bounds, and nothing that moves a user's torch."""

from __future__ import annotations

from collections.abc import Iterator

from ..names import canonical_name
from .agreement import unconditional
from .findings import Finding, finding
from .subject import DistMetadata

HOST = "inference-pio"
MOVED = frozenset({"torch", "transformers"})
"""Libraries that users choose a build of; a plugin that pins one takes that choice away from all others."""


def requirement_findings(metadata: DistMetadata) -> Iterator[Finding]:
    """Check the requirements of one distribution."""
    if metadata.requires is None:
        return
    requirements = unconditional(metadata.requires)
    hosts = [requirement for requirement in requirements if canonical_name(requirement.name) == HOST]
    if not hosts:
        yield finding("host-not-required", f"{metadata.where} does not require {HOST}", metadata.where)
    for host in hosts:
        operators = {specifier.operator for specifier in host.specifier}
        lower, upper = operators & {">=", ">", "~=", "=="}, operators & {"<", "<=", "~=", "=="}
        if not (lower and upper):
            end = "lower" if upper else "upper" if lower else "lower and no upper"
            yield finding("host-unbounded", f"{str(host)!r} has no {end} bound", metadata.where)
    for requirement in requirements:
        exact = any(s.operator in ("==", "===") and not s.version.endswith(".*") for s in requirement.specifier)
        if canonical_name(requirement.name) in MOVED and exact:
            yield finding("torch-pinned", f"{str(requirement)!r} allows one version only", metadata.where)
