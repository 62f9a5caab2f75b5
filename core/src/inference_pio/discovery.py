"""The index: every installed plugin as a frozen record, made without running a line of any plugin.

A plugin's defect is a value here (a record that is ``INVALID``), never an exception: one plugin cannot hide another.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from . import settings
from .gates import Environment, gate
from .installed import HOOKS_GROUP, MODELS_GROUP, EntryPointRef, Installed, InstalledDist, scan_installed
from .manifest import MANIFEST_NAME, Manifest, check_manifest
from .manifest_files import ManifestFileError, PackageFolders, find_manifest
from .names import canonical_name
from .records import PluginRecord, PluginState, Reason, ReasonCode

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """What is installed.

    Attributes:
        models: Records of group ``inference_pio.models``, by name.
        hooks: Records of group ``inference_pio.hooks``, by name; they have no manifest.
        problems: Distributions whose metadata could not be read: ``(where, what)``.
        installed: The scan that all of this came from.
    """

    models: tuple[PluginRecord, ...]
    hooks: tuple[PluginRecord, ...]
    problems: tuple[tuple[str, str], ...]
    installed: Installed


def build_index(
    installed: Installed | None = None,
    *,
    environment: Environment | None = None,
    search_path: Sequence[str] | None = None,
) -> Index:
    """Index the installed plugins.

    Args:
        installed: A scan; default: a new one.
        environment: What to gate against; default: this process.
        search_path: Where packages are looked for; default: ``sys.path``.
    """
    installed = scan_installed() if installed is None else installed
    indexer = _Indexer(environment or Environment(installed), PackageFolders(search_path))
    records: dict[str, list[PluginRecord]] = {MODELS_GROUP: [], HOOKS_GROUP: []}
    for dist in installed.dists.values():
        for reference in dist.entry_points:
            records[reference.group].append(indexer.record(reference, dist))
    return Index(
        models=_finish(records[MODELS_GROUP]),
        hooks=_finish(records[HOOKS_GROUP]),
        problems=tuple(sorted(installed.problems)),
        installed=installed,
    )


class _Indexer:
    def __init__(self, environment: Environment, folders: PackageFolders) -> None:
        self._environment = environment
        self._folders = folders
        self._allowed = settings.allowed_plugins()
        self._disabled = settings.disabled_plugins()

    def record(self, reference: EntryPointRef, dist: InstalledDist) -> PluginRecord:
        """Make one record; whatever goes wrong becomes its reason."""
        record = PluginRecord(
            name=canonical_name(reference.name),
            dist_name=dist.name,
            dist_version=dist.version,
            entry_point=reference.value,
            state=PluginState.READY,
            reasons=_remarks(dist),
        )
        try:
            return self._judge(record, reference, dist)
        except Exception as error:  # a defect nobody thought of must not stop the index
            if settings.is_strict():
                raise
            logger.debug("indexing %r (%s) failed", record.name, record.dist, exc_info=True)
            return _invalid(
                record, "index-failed", f"cannot be indexed: {type(error).__name__}: {error}", "Reinstall it"
            )

    def _judge(self, record: PluginRecord, reference: EntryPointRef, dist: InstalledDist) -> PluginRecord:
        disabled = self._switched_off(record)
        if not reference.is_well_formed or (reference.group == MODELS_GROUP and not reference.attribute):
            record = _invalid(
                record, "entry-point-broken", f"has an entry point that names no function: {reference.value!r}"
            )
        elif reference.group == MODELS_GROUP:
            record = self._with_manifest(record, reference, dist)
        if disabled:
            # Said even of a broken plugin: that may be why it was disabled.
            return dataclasses.replace(record, state=PluginState.DISABLED, reasons=(disabled,))
        if record.manifest is None or record.state is not PluginState.READY:
            return record
        faults, remarks = gate(record.manifest, self._environment)
        if faults:
            return dataclasses.replace(record, state=PluginState.INCOMPATIBLE, reasons=tuple(faults))
        return dataclasses.replace(record, reasons=(*record.reasons, *remarks))

    def _switched_off(self, record: PluginRecord) -> Reason | None:
        names = {record.name, record.dist_name}
        if names & self._disabled:
            return Reason("disabled", "is disabled by INFERENCE_PIO_DISABLE", "Take it out of that variable")
        if self._allowed is not None and not names & self._allowed:
            return Reason(
                "not-allowed", "is not in the allow-list INFERENCE_PIO_PLUGINS", f"Add {record.name} to that variable"
            )
        return None

    def _with_manifest(self, record: PluginRecord, reference: EntryPointRef, dist: InstalledDist) -> PluginRecord:
        try:
            file = find_manifest(reference, dist, self._folders)
        except ManifestFileError as error:
            return _invalid(record, error.code, str(error))
        record = dataclasses.replace(record, manifest_path=file.path)
        checked = check_manifest(file.content)
        manifest = checked.manifest
        if manifest is None:
            return _invalid(record, "manifest-broken", f"has a broken {MANIFEST_NAME}: {'; '.join(checked.faults)}")
        unknown = tuple(_unknown_key(path) for path in checked.unknown)
        record = dataclasses.replace(record, manifest=manifest, reasons=(*record.reasons, *unknown))
        mismatch = entry_point_mismatch(manifest, reference)
        return _invalid(record, "entry-point-mismatch", mismatch) if mismatch else record


def entry_point_mismatch(manifest: Manifest, reference: EntryPointRef) -> str:
    """Say how a manifest and its entry point disagree; empty when they agree.

    The entry point must be the manifest's package, then ``entry_point.module``, a colon, and ``factory_function``.
    """
    package, _, _ = reference.module.rpartition(".")
    expected = f"{package}{manifest.entry_point.module}:{manifest.entry_point.factory_function}"
    if package and f"{reference.module}:{reference.attribute}" == expected:
        return ""
    return (
        f"has an entry point that disagrees with its manifest: {reference.value!r} is installed, "
        f"$.entry_point says {expected!r}"
    )


def _unknown_key(path: str) -> Reason:
    return Reason("unknown-key", f"has an unknown key in its manifest: {path}", "It is ignored; is it spelled right?")


def _remarks(dist: InstalledDist) -> tuple[Reason, ...]:
    if not dist.duplicates:
        return ()
    return (
        Reason(
            "duplicate-metadata",
            f"{dist.name} is recorded as installed more than once: also {', '.join(dist.duplicates)}",
            f"pip install --force-reinstall --no-deps {dist.name}",
        ),
    )


def _invalid(record: PluginRecord, code: ReasonCode, message: str, fix: str = "") -> PluginRecord:
    fix = fix or f"Its author must mend it; try a newer one: pip install -U {record.dist_name}"
    return dataclasses.replace(record, state=PluginState.INVALID, reasons=(Reason(code, message, fix),))


def _finish(records: list[PluginRecord]) -> tuple[PluginRecord, ...]:
    """Mark names that are claimed twice, and sort by name; of one name, disabled ones come last: they hide nobody."""
    records.sort(
        key=lambda record: (record.name, record.state is PluginState.DISABLED, record.dist_name, record.entry_point)
    )
    claims: dict[str, list[PluginRecord]] = {}
    for record in records:
        if record.state is not PluginState.DISABLED:
            claims.setdefault(record.name, []).append(record)
    contested = {name for name, owners in claims.items() if len(owners) > 1}
    return tuple(
        _collision(record, claims[record.name])
        if record.name in contested and record.state is not PluginState.DISABLED
        else record
        for record in records
    )


def _collision(record: PluginRecord, owners: list[PluginRecord]) -> PluginRecord:
    named = " and ".join(f"{owner.dist} ({owner.entry_point})" for owner in owners)
    return _invalid(
        record,
        "name-collision",
        f"has a name that is claimed more than once: {named}",
        f"Uninstall all but one, or leave one out with INFERENCE_PIO_DISABLE={owners[-1].dist_name}",
    )
