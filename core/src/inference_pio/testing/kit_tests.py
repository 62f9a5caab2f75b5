"""Which tests of the lower two levels are the kit's own: a plugin that leaves one out has not reached the level."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .conformance import HookConformance, ModelConformance
from .levels import MARKER

if TYPE_CHECKING:
    import pytest

    from ..host_state import PluginKind

KITS: dict[PluginKind, type] = {"model": ModelConformance, "hooks": HookConformance}


def required_tests(kind: PluginKind) -> dict[str, set[str]]:
    """Return the names of the kit's tests by level."""
    found: dict[str, set[str]] = {}
    for name, function in inspect.getmembers(KITS[kind], inspect.isfunction):
        for mark in getattr(function, "pytestmark", ()):
            if mark.name == MARKER:
                found.setdefault(mark.args[0], set()).add(name)
    return found


def name_in_kit(item: pytest.Item) -> str:
    """Return the name of a test that is the kit's as it stands; empty for a plugin's own and for one that overrides."""
    name: str = getattr(item, "originalname", None) or item.name
    own = inspect.getattr_static(getattr(item, "cls", None), name, None)
    is_kits = own is not None and any(inspect.getattr_static(kit, name, None) is own for kit in KITS.values())
    return name if is_kits else ""
