"""Which plugins the user switched off: by two variables, and by ``inference-pio disable``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import settings
from .host_state import Remembered
from .names import nearest_names
from .records import Outcome, PluginRecord, PluginState, Reason

DISABLE = f"{settings.PREFIX}DISABLE"
ALLOW = f"{settings.PREFIX}PLUGINS"


@dataclass(frozen=True)
class UnknownName:
    """A name in a list of plugins that no installed plugin bears.

    Attributes:
        place: The variable that has it, or the command that wrote it down.
        name: Canonical.
        nearest: Names of installed plugins that are spelled similarly, best first.
    """

    place: str
    name: str
    nearest: tuple[str, ...]

    def __str__(self) -> str:
        hint = f" (did you mean {' or '.join(map(repr, self.nearest))}?)" if self.nearest else ""
        return f"{self.place} names {self.name!r}, which is not installed{hint}"


class Switches:
    """All three lists. A plugin is meant by its own name or by its distribution's.

    Args:
        remembered: Holds the names that ``inference-pio disable`` wrote down.
    """

    def __init__(self, remembered: Remembered) -> None:
        self._allowed = settings.allowed_plugins()
        self._disabled = settings.disabled_plugins()
        self._remembered = frozenset(remembered.disabled)

    def outcome(self, record: PluginRecord) -> Outcome:
        """Say whether a plugin is switched on."""
        reasons = tuple(self._reasons(record))
        return Outcome("switched-on", "nothing switches it off", reasons, PluginState.DISABLED if reasons else None)

    def _reasons(self, record: PluginRecord) -> Iterator[Reason]:
        names = {record.name, record.dist_name}
        if names & self._disabled:
            yield Reason("disabled", f"is disabled by {DISABLE}", "Take it out of that variable")
        if names & self._remembered:
            meant = " ".join(sorted(names & self._remembered))
            yield Reason("disabled", "was switched off", f"inference-pio enable {meant}")
        if self._allowed is not None and not names & self._allowed:
            yield Reason("not-allowed", f"is not in the allow-list {ALLOW}", f"Add {record.name} to that variable")


def unknown_names(records: Iterable[PluginRecord], remembered: Remembered) -> tuple[UnknownName, ...]:
    """Return the names in all three lists that nobody bears: they are spelled wrong, or what they meant is gone."""
    listed = {
        ALLOW: settings.allowed_plugins() or frozenset(),
        DISABLE: settings.disabled_plugins(),
        "inference-pio disable": frozenset(remembered.disabled),
    }
    if not any(listed.values()):
        return ()
    known = sorted({name for record in records for name in (record.name, record.dist_name)})
    return tuple(
        UnknownName(place, name, tuple(nearest_names(name, known)))
        for place, names in listed.items()
        for name in sorted(names - set(known))
    )
