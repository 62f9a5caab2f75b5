"""What manifest and metadata both say must be the same; pip reads the one, the host the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..manifest import Manifest
from ..manifest_rules import parsed_requirement
from ..names import canonical_name
from .findings import Finding, finding
from .python_versions import accepted
from .subject import DistMetadata

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Requirements = Callable[[str], "list[str] | None"]
"""What an installed distribution requires, as PEP 508 texts; ``None`` when it is not installed."""


def agreement_findings(
    name: str, manifest: Manifest, metadata: DistMetadata, where: str, requirements_of: Requirements
) -> Iterator[Finding]:
    """Compare one manifest with the metadata of its distribution.

    Args:
        name: Of the entry point.
        manifest: Sound.
        metadata: Of the distribution.
        where: The manifest's file.
        requirements_of: Looks up what requirements bring along themselves.
    """
    yield from _name(name, manifest, metadata, where)
    yield from _version(manifest, metadata, where)
    yield from _license(manifest, metadata, where)
    yield from _python(manifest, metadata, where)
    yield from _dependencies(manifest, metadata, where, requirements_of)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _name(name: str, manifest: Manifest, metadata: DistMetadata, where: str) -> Iterator[Finding]:
    """Spaces and capitals are for people; the letters must be those that people have to type."""
    known = (name, metadata.name, canonical_name(metadata.name).removeprefix("inference-pio-"))
    if _letters(manifest.name) not in map(_letters, known):
        message = f"the manifest calls it {manifest.name!r}, the entry point {name!r}, pip {metadata.name!r}"
        yield finding("name-differs", message, f"{where}:$.name")


def _version(manifest: Manifest, metadata: DistMetadata, where: str) -> Iterator[Finding]:
    from packaging.version import InvalidVersion, Version

    if metadata.version is None:
        return
    try:
        is_equal = Version(manifest.version) == Version(metadata.version)
    except InvalidVersion:
        is_equal = manifest.version == metadata.version
    if not is_equal:
        message = f"the manifest says version {manifest.version}, {metadata.where} says {metadata.version}"
        yield finding("version-differs", message, f"{where}:$.version")


def _license(manifest: Manifest, metadata: DistMetadata, where: str) -> Iterator[Finding]:
    if not metadata.license:
        yield finding("license-missing", f"{metadata.where} names no license", metadata.where)
        return
    same = " ".join(manifest.license.split()).lower() == " ".join(metadata.license.split()).lower()
    if metadata.is_expression and manifest.license.strip() and not same:
        message = f"the manifest says license {manifest.license!r}, {metadata.where} says {metadata.license!r}"
        yield finding("license-differs", message, f"{where}:$.license")


def _python(manifest: Manifest, metadata: DistMetadata, where: str) -> Iterator[Finding]:
    wanted = manifest.compatibility.python_version
    if not wanted.strip() or not metadata.requires_python.strip():
        return
    by_manifest, by_metadata = set(accepted(wanted)), set(accepted(metadata.requires_python))
    if by_manifest != by_metadata:
        what = ", ".join(f"{major}.{minor}" for major, minor in sorted(by_manifest ^ by_metadata)[:3])
        message = f"the manifest wants Python {wanted}, {metadata.where} {metadata.requires_python}: unlike for {what}"
        yield finding("python-differs", message, f"{where}:$.compatibility.python_version")


def _dependencies(
    manifest: Manifest, metadata: DistMetadata, where: str, requirements_of: Requirements
) -> Iterator[Finding]:
    if metadata.requires is None:
        return
    direct = {canonical_name(req.name): req for req in unconditional(metadata.requires)}
    for index, text in enumerate(manifest.dependencies):
        wanted = parsed_requirement(text)
        place = f"{where}:$.dependencies[{index}]"
        found = direct.get(canonical_name(wanted.name))
        if found is None:
            if not _may_arrive(canonical_name(wanted.name), direct.values(), requirements_of):
                message = f"the manifest depends on {text!r}, which installing {metadata.name} does not bring along"
                yield finding("dependency-undeclared", message, place)
        elif wanted.specifier and wanted.specifier != found.specifier:
            yield finding("dependency-differs", f"the manifest says {text!r}, {metadata.where} '{found}'", place)


def _may_arrive(name: str, direct: Iterable[Requirement], requirements_of: Requirements) -> bool:
    """Whether a distribution comes along with the direct requirements, or whether that cannot be told here."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(direct)
    while waiting:
        current = waiting.pop()
        key = (canonical_name(current.name), frozenset(current.extras))
        if key[0] == name:
            return True
        if key not in seen:
            seen.add(key)
            texts = requirements_of(key[0])
            if texts is None:  # not installed: what it requires is not known
                return True
            waiting += [found for found in parsed(texts) if _applies(found, key[1])]
    return False


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def unconditional(texts: Iterable[str]) -> list[Requirement]:
    """Parse requirements, without those of extras."""
    return [found for found in parsed(texts) if not (found.marker and "extra" in str(found.marker))]


def parsed(texts: Iterable[str]) -> Iterator[Requirement]:
    """Parse requirements; those that cannot be parsed are the build tool's business."""
    for text in texts:
        try:
            yield parsed_requirement(text)
        except ValueError:
            continue
