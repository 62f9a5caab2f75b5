"""Whether two objects of one factory are two: neither may notice the other."""

from __future__ import annotations

from typing import Any

MUTABLE = (list, dict, set, bytearray)


def faults_of(first: Any, second: Any) -> list[str]:
    """Say how two unloaded model plugins depend on each other or do not work; nothing when all is well."""
    if first is second:
        return ["two calls of the factory returned the same object"]
    found = [
        f"two objects share their {type(value).__name__} {name!r}: what one puts there, the other finds"
        for name, value in getattr(first, "__dict__", {}).items()
        if isinstance(value, MUTABLE) and getattr(second, "__dict__", {}).get(name) is value
    ]
    for plugin, other in ((first, second), (second, first)):
        found += _unable(plugin, other)
    return list(dict.fromkeys(found))


def _unable(plugin: Any, other: Any) -> list[str]:
    found = []
    try:
        answer = plugin.supports_config({"model_type": "an architecture that does not exist"})
        if not isinstance(answer, bool):
            found.append(f"supports_config() returned {answer!r} instead of a bool")
        one, two = plugin.create_config(), other.create_config()
        if one is two:
            found.append("create_config() returned the same object twice")
        elif one != two:
            found.append("create_config() of two objects returned different configurations")
        plugin.cleanup()
        plugin.cleanup()
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is the finding
        found.append(f"an object that has loaded nothing fails: {type(error).__name__}: {error}")
    return found
