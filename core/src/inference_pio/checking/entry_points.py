"""The entry points: there, well formed, each name once, and mirroring the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..discovery import entry_point_mismatch
from ..installed import HOOKS_GROUP, MODELS_GROUP, EntryPointRef
from ..manifest import Manifest
from ..names import canonical_name
from .findings import Finding, finding
from .subject import Subject


def entry_point_findings(subject: Subject) -> Iterator[Finding]:
    """Check the lines themselves."""
    where = subject.entry_points_file
    if not subject.entry_points and not any(f.code == "entry-point-dynamic" for f in subject.findings):
        message = f"there is no entry point in group {MODELS_GROUP} or {HOOKS_GROUP}"
        yield finding("no-entry-point", message, where)
    names = Counter((ref.group, canonical_name(ref.name)) for ref in subject.entry_points)
    for (group, name), count in names.items():
        if count > 1:
            yield finding("entry-point-twice", f"{name!r} stands {count} times in group {group}", where)
    for reference in subject.entry_points:
        yield from _spelling(reference, where)


def _spelling(reference: EntryPointRef, where: str) -> Iterator[Finding]:
    is_model = reference.group == MODELS_GROUP
    if not reference.is_well_formed or (is_model and not reference.attribute):
        wanted = "package.module:factory" if is_model else "package.module or package.module:object"
        message = f"{reference.name} = {reference.value!r} is not of the form {wanted}"
        yield finding("entry-point-malformed", message, where)
    name = canonical_name(reference.name)
    if name != reference.name:
        yield finding("entry-point-spelling", f"{reference.name!r} is shown and asked for as {name!r}", where)


def mirror_findings(reference: EntryPointRef, manifest: Manifest, where: str) -> Iterator[Finding]:
    """Compare a model's entry point with its manifest, as the index does."""
    if entry_point_mismatch(manifest, reference):
        package = reference.module.rpartition(".")[0]
        promised = f"{package}{manifest.entry_point.module}:{manifest.entry_point.factory_function}"
        message = f"the entry point is {reference.value!r}, the manifest's $.entry_point says {promised!r}"
        yield finding("entry-point-differs", message, where)
