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
    dynamic = texts(project.get("dynamic"))
    license_, is_expression = _license(project.get("license"))
    requires = tuple(texts(project.get("dependencies")))
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


def texts(value: Any) -> list[str]:
    """Return the texts of a list; none where something else stands in its place."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def table(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a nested table; an empty one where something else stands in its place."""
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def entry_points_of_project(project: Mapping[str, Any]) -> tuple[EntryPointRef, ...]:
    """Read the entry points of our groups from a ``[project]`` table."""
    found = []
    for group in (MODELS_GROUP, HOOKS_GROUP):
        found += [EntryPointRef(group, name, str(v)) for name, v in table(project, "entry-points", group).items()]
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
