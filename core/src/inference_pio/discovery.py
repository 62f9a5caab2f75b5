"""The index: every installed plugin as a frozen record, made without running a line of any plugin.

A plugin's defect is a value here (a record that is ``INVALID``), never an exception: one plugin cannot hide another.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from . import settings
from .gates import Environment, gate_outcomes
from .host_state import HostState, Remembered
from .installed import HOOKS_GROUP, MODELS_GROUP, EntryPointRef, Installed, InstalledDist, scan_installed
from .manifest import MANIFEST_NAME, Manifest, check_manifest
from .manifest_files import ManifestFileError, PackageFolders, find_manifest
from .names import canonical_name
from .quarantine import history_outcome
from .records import Gate, Outcome, PluginRecord, PluginState, Reason, ReasonCode
from .switches import Switches, UnknownName, unknown_names

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """What is installed.

    Attributes:
        models: Records of group ``inference_pio.models``, by name.
        hooks: Records of group ``inference_pio.hooks``, by name; they have no manifest.
        problems: Distributions whose metadata could not be read: ``(where, what)``.
        installed: The scan that all of this came from.
        unknown_names: Names that a list of plugins has and nobody bears.
    """

    models: tuple[PluginRecord, ...]
    hooks: tuple[PluginRecord, ...]
    problems: tuple[tuple[str, str], ...]
    installed: Installed
    unknown_names: tuple[UnknownName, ...] = ()


def build_index(
    installed: Installed | None = None,
    *,
    environment: Environment | None = None,
    search_path: Sequence[str] | None = None,
    remembered: Remembered | None = None,
) -> Index:
    """Index the installed plugins.

    Args:
        installed: A scan; default: a new one.
        environment: What to gate against; default: this process.
        search_path: Where packages are looked for; default: ``sys.path``.
        remembered: Which plugins are switched off, and which failed how often; default: what is on disk.
    """
    remembered = HostState().read() if remembered is None else remembered
    installed = scan_installed() if installed is None else installed
    indexer = _Indexer(environment or Environment(installed), PackageFolders(search_path), remembered)
    records: dict[str, list[PluginRecord]] = {MODELS_GROUP: [], HOOKS_GROUP: []}
    for dist in installed.dists.values():
        for reference in dist.entry_points:
            records[reference.group].append(indexer.record(reference, dist))
    models, hooks = _finish(records[MODELS_GROUP]), _finish(records[HOOKS_GROUP])
    return Index(
        models=models,
        hooks=hooks,
        problems=tuple(sorted(installed.problems)),
        installed=installed,
        unknown_names=unknown_names((*models, *hooks), remembered),
    )


def unlisted_distribution(index: Index, name: str) -> str | None:
    """Explain why a name that looks like an installed distribution's is no plugin's; ``None`` when nothing is known."""
    for dist_name in (name, f"inference-pio-{name}"):
        dist = index.installed.dists.get(dist_name)
        if dist is not None and not dist.entry_points:
            return (
                f"{dist.name} {dist.version} is installed, but declares no entry point in {MODELS_GROUP} or "
                f"{HOOKS_GROUP}. Entry points are written down when a distribution is installed; if it has one by now: "
                f"pip install --force-reinstall --no-deps {dist.name}"
            )
        for where, what in index.problems:
            if canonical_name(dist_name) in canonical_name(where):
                return f"{where} cannot be read: {what}. Install it again: pip install --force-reinstall {dist_name}"
    return None


class _Indexer:
    def __init__(self, environment: Environment, folders: PackageFolders, remembered: Remembered) -> None:
        self._environment = environment
        self._folders = folders
        self._switches = Switches(remembered)
        self._remembered = remembered

    def record(self, reference: EntryPointRef, dist: InstalledDist) -> PluginRecord:
        """Make one record; whatever goes wrong becomes its reason."""
        record = PluginRecord(
            name=canonical_name(reference.name),
            dist_name=dist.name,
            dist_version=dist.version,
            entry_point=reference.value,
            state=PluginState.READY,
        )
        record = record.settled([_installed(dist), self._switches.outcome(record)])
        try:
            return self._judge(record, reference, dist)
        except Exception as error:  # a defect nobody thought of must not stop the index
            if settings.is_strict():
                raise
            logger.debug("indexing %r (%s) failed", record.name, record.dist, exc_info=True)
            what = f"cannot be indexed: {type(error).__name__}: {error}"
            return record.settled([_invalid(record, "installed", "index-failed", what, "Reinstall it")])

    def _judge(self, record: PluginRecord, reference: EntryPointRef, dist: InstalledDist) -> PluginRecord:
        is_model = reference.group == MODELS_GROUP
        if not reference.is_well_formed or (is_model and not reference.attribute):
            what = f"has an entry point that names no function: {reference.value!r}"
            return record.settled([_invalid(record, "entry-point", "entry-point-broken", what)])
        record = record.settled(
            [Outcome("entry-point", f"{reference.value} names {'a function' if is_model else 'code'}")]
        )
        if is_model:
            record = self._with_manifest(record, reference, dist)
            if record.manifest is None:
                return record
            record = record.settled(gate_outcomes(record.manifest, self._environment))
        return record.settled([history_outcome("model" if is_model else "hooks", record, self._remembered)])

    def _with_manifest(self, record: PluginRecord, reference: EntryPointRef, dist: InstalledDist) -> PluginRecord:
        try:
            file = find_manifest(reference, dist, self._folders)
        except ManifestFileError as error:
            return record.settled([_invalid(record, "file", error.code, str(error))])
        record = dataclasses.replace(record, manifest_path=file.path, manifest_sha256=file.sha256)
        record = record.settled([Outcome("file", file.path)])
        checked = check_manifest(file.content)
        if checked.manifest is None:
            what = f"has a broken {MANIFEST_NAME}: {'; '.join(checked.faults)}"
            return record.settled([_invalid(record, "manifest", "manifest-broken", what)])
        record = dataclasses.replace(record, manifest=checked.manifest)
        unknown = tuple(_unknown_key(path) for path in checked.unknown)
        return record.settled(
            [
                Outcome("manifest", "every field is as it should be", unknown),
                _agreement(record, checked.manifest, reference),
            ]
        )


def _agreement(record: PluginRecord, manifest: Manifest, reference: EntryPointRef) -> Outcome:
    mismatch = entry_point_mismatch(manifest, reference)
    if mismatch:
        return _invalid(record, "agreement", "entry-point-mismatch", mismatch)
    return Outcome("agreement", "manifest and entry point name the same function")


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


def _installed(dist: InstalledDist) -> Outcome:
    remarks: tuple[Reason, ...] = ()
    if dist.duplicates:
        remarks = (
            Reason(
                "duplicate-metadata",
                f"{dist.name} is recorded as installed more than once: also {', '.join(dist.duplicates)}",
                "Remove the stale one, which pip would leave there: inference-pio doctor has the command",
            ),
        )
    return Outcome("installed", f"by {dist.name} {dist.version}", remarks)


def _invalid(record: PluginRecord, gate: Gate, code: ReasonCode, message: str, fix: str = "") -> Outcome:
    fix = fix or f"Its author must mend it; try a newer one: pip install -U {record.dist_name}"
    return Outcome(gate, reasons=(Reason(code, message, fix),), state=PluginState.INVALID)


def _finish(records: list[PluginRecord]) -> tuple[PluginRecord, ...]:
    """Mark names that are claimed twice, and sort by name; of one name, disabled ones come last: they hide nobody."""
    records.sort(
        key=lambda record: (record.name, record.state is PluginState.DISABLED, record.dist_name, record.entry_point)
    )
    claims: dict[str, list[PluginRecord]] = {}
    for record in records:
        if record.state is not PluginState.DISABLED:
            claims.setdefault(record.name, []).append(record)
    return tuple(record.settled([_uniqueness(record, claims.get(record.name, []))]) for record in records)


def _uniqueness(record: PluginRecord, owners: list[PluginRecord]) -> Outcome:
    if len(owners) < 2 or record.state is PluginState.DISABLED:
        return Outcome("name", f"nobody else claims {record.name!r}")
    named = " and ".join(f"{owner.dist} ({owner.entry_point})" for owner in owners)
    return _invalid(
        record,
        "name",
        "name-collision",
        f"has a name that is claimed more than once: {named}",
        f"Uninstall all but one, or switch one off: inference-pio disable {owners[-1].dist_name}",
    )
