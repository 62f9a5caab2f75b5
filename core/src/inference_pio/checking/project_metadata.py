"""Reads what a distribution says of itself: ``[project]`` of a ``pyproject.toml``, or a ``METADATA``."""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Mapping
from typing import Any

from ..installed import HOOKS_GROUP, MODELS_GROUP, EntryPointRef
from .subject import DistMetadata


def metadata_of_project(project: Mapping[str, Any], where: str) -> DistMetadata | None:
    """Read a ``[project]`` table; ``None`` when it has no name. What is ``dynamic`` is not known here."""
    name = project.get("name")
    if not isinstance(name, str):
        return None
    dynamic = project.get("dynamic", [])
    license_, is_expression = _license(project.get("license"))
    requires = tuple(map(str, project.get("dependencies", [])))
    return DistMetadata(
        where=where,
        name=name,
        version=None if "version" in dynamic else _text(project.get("version")),
        license=license_,
        is_expression=is_expression,
        requires=None if "dependencies" in dynamic else requires,
        requires_python=_text(project.get("requires-python")) or "",
    )


def _license(value: Any) -> tuple[str | None, bool]:
    """Text, and whether it is an SPDX expression (PEP 639) rather than the free text of before."""
    if isinstance(value, str):
        return value, True
    return (_text(value.get("text") or value.get("file")), False) if isinstance(value, Mapping) else (None, False)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def entry_points_of_project(project: Mapping[str, Any]) -> tuple[EntryPointRef, ...]:
    """Read the entry points of our groups from a ``[project]`` table."""
    tables = project.get("entry-points", {})
    found = []
    for group in (MODELS_GROUP, HOOKS_GROUP):
        table = tables.get(group, {}) if isinstance(tables, Mapping) else {}
        found += [EntryPointRef(group, name, str(value)) for name, value in table.items()]
    return tuple(found)


def metadata_of_text(text: str, where: str) -> DistMetadata | None:
    """Read a ``METADATA``; ``None`` when it has no name or no version."""
    fields = email.parser.HeaderParser(policy=email.policy.compat32).parsestr(text)
    name, version = fields["Name"], fields["Version"]
    if not name or not version:
        return None
    expression = fields["License-Expression"]
    return DistMetadata(
        where=where,
        name=name,
        version=version,
        license=expression or fields["License"],
        is_expression=bool(expression),
        requires=tuple(fields.get_all("Requires-Dist") or ()),
        requires_python=fields["Requires-Python"] or "",
    )
