"""The plugins' states, collisions and switches, as the index has them; nothing is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..hookspecs import DoctorFinding
from ..records import PluginRecord, PluginState, Reason
from .report import PluginDefect

if TYPE_CHECKING:
    from ..discovery import Index
    from ..host import Host

_SOUND = (PluginState.READY, PluginState.LOADED, PluginState.DISABLED)
_DEFECTIVE = (PluginState.INVALID, PluginState.FAILED, PluginState.QUARANTINED)

_SAID_ELSEWHERE = frozenset({"duplicate-metadata"})
"""Reasons that the look at all metadata reports with more detail."""


def plugin_findings(host: Host) -> Iterator[DoctorFinding]:
    """Count the models, and name every one that is not simply ready, and every name that means nobody."""
    yield _models(host.records())
    for record in host.records():
        if record.state not in _SOUND or _told(record):
            yield plugin_finding(record, "model")
    yield from _unknown_names(host.index)


def _models(records: tuple[PluginRecord, ...]) -> DoctorFinding:
    counts = Counter(str(record.state) for record in records)
    is_any_usable = any(record.is_usable for record in records)
    code = "models" if is_any_usable else "models-unusable" if records else "models-none"
    fix = {
        "models-none": "pip install inference-pio-smollm2",
        "models-unusable": "inference-pio why-not NAME says what is in the way of each",
    }.get(code, "")
    return DoctorFinding(
        code=code,
        group="plugins",
        name="models",
        status="ok" if is_any_usable else "warning",
        message=", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no model is installed",
        fix=fix,
        data=dict(counts),
    )


def plugin_finding(record: PluginRecord, kind: str) -> DoctorFinding:
    """Say how one plugin is.

    Args:
        record: Of the plugin.
        kind: ``model`` or ``hooks``.
    """
    reasons = _told(record)
    text = "; ".join(reason.message for reason in reasons)
    fix = "; ".join(dict.fromkeys(reason.fix for reason in reasons if reason.fix))
    if record.state is PluginState.FAILED and fix:
        fix += f"; or leave it out: inference-pio disable {record.name}"
    is_defect = record.state in _DEFECTIVE
    is_worse = record.state not in _SOUND or (record.is_usable and bool(reasons))
    make = PluginDefect if is_defect else DoctorFinding
    return make(
        code=reasons[0].code if reasons else "plugin-state",
        group="hooks" if kind == "hooks" else "plugins",
        name=f"{kind} {record.name}",
        status="error" if is_defect else "warning" if is_worse else "ok",
        message=f"{record.dist} ({record.state}) {text}" if text else f"{record.dist}: {record.state}",
        fix=fix or (_leave_out(record) if is_defect else ""),
        data={
            "plugin": record.name,
            "dist": record.dist_name,
            "version": record.dist_version,
            "state": str(record.state),
            "codes": [reason.code for reason in record.reasons],
        },
    )


def _told(record: PluginRecord) -> list[Reason]:
    return [reason for reason in record.reasons if reason.code not in _SAID_ELSEWHERE]


def _leave_out(record: PluginRecord) -> str:
    return f"Tell its author, or leave it out: inference-pio disable {record.name}"


def _unknown_names(index: Index) -> Iterator[DoctorFinding]:
    for unknown in index.unknown_names:
        near = f"Did you mean {' or '.join(unknown.nearest)}? " if unknown.nearest else ""
        yield DoctorFinding(
            code="unknown-plugin-name",
            group="plugins",
            name=unknown.place,
            status="warning",
            message=f"names {unknown.name}, which is not installed",
            fix=f"{near}Spell it as `inference-pio list --all` does, or take it out",
            data={"name": unknown.name, "nearest": list(unknown.nearest)},
        )
