"""Finds one installed plugin by name, be it a model or hooks; imports nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..host import default_host
from ..installed import MODELS_GROUP, EntryPointRef
from ..names import canonical_name

if TYPE_CHECKING:
    from ..host_state import PluginKind
    from ..records import PluginRecord


def find_plugin(name: str) -> tuple[PluginKind, PluginRecord]:
    """Return the model of a name, else the hooks; the name of a distribution means the one plugin that it ships.

    Raises:
        UnknownPluginError: There is none.
        UsageError: The distribution ships several.
    """
    found = default_host().named(name)
    if len(found) > 1 and found[0][1].name != canonical_name(name):
        names = ", ".join(record.name for _, record in found)
        raise UsageError(f"{name} ships several plugins: {names}; name one of them")
    return found[0]


def own_package(entry_point: str) -> str:
    """Return the package whose modules are the plugin's own: its top-level one, or its part of a shared one."""
    module = EntryPointRef(MODELS_GROUP, "", entry_point).module
    package = module.rpartition(".")[0] or module
    return package if package.startswith("inference_pio.") else package.partition(".")[0]
