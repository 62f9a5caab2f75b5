"""A plugin record as the listing commands show it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..host_state import PluginKind
    from ..records import PluginRecord


KINDS: Mapping[PluginKind, str] = {"model": "a model", "hooks": "hooks"}
"""What a plugin is, in words."""


def describe_record(record: PluginRecord) -> dict[str, Any]:
    """Return a record for programs. The keys are stable; a broken manifest leaves its fields ``None``."""
    manifest = record.manifest
    return {
        "name": record.name,
        "state": str(record.state),
        "usable": record.is_usable,
        "dist": record.dist_name,
        "version": record.dist_version,
        "description": manifest.description if manifest else None,
        "size": manifest.model_size if manifest else None,
        "num_parameters": manifest.num_parameters if manifest else None,
        "architecture": manifest.model_architecture if manifest else None,
        "modalities": manifest.supported_modalities if manifest else None,
        "license": manifest.license if manifest else None,
        "reasons": [dataclasses.asdict(reason) for reason in record.reasons],
        "entry_point": record.entry_point,
        "manifest_path": record.manifest_path,
    }
