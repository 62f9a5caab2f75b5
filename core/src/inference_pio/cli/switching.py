"""Switching plugins on and off, for ``enable`` and ``disable``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from .records import KINDS, describe_record
from .terminal import note, write_json

if TYPE_CHECKING:
    from ..host import Host
    from ..host_state import PluginKind
    from ..records import PluginRecord


@dataclass(frozen=True)
class Switched:
    """One name that was switched.

    Attributes:
        name: Canonical, as it is remembered.
        changed: Whether that was anything new.
        plugins: What the name means, as it is now.
    """

    name: str
    changed: bool
    plugins: tuple[tuple[PluginKind, PluginRecord], ...]


def switch(names: Iterable[str], *, on: bool) -> list[Switched]:
    """Switch all the names on or off, or none of them.

    Raises:
        UnknownPluginError: One of them is nobody's, and was not switched off before either.
        UsageError: It cannot be written down.
    """
    from ..errors import UnknownPluginError, UsageError
    from ..host import Host
    from ..host_state import PluginKey
    from ..names import canonical_name

    host = Host()
    wanted = list(dict.fromkeys(canonical_name(name) for name in names))
    before = set(host.state.read().disabled)
    meant = {name: {name} for name in wanted}
    for name in wanted:
        try:
            found = host.named(name)
        except UnknownPluginError:
            if not (on and name in before):  # of something that has been uninstalled since
                raise
        else:
            meant[name] |= {record.dist_name for _, record in found} if on else set()
    try:
        with host.state.changing() as remembered:
            now = set(remembered.disabled)  # not what was there before: another process may have been faster
            changed = {name for name in wanted if bool(meant[name] & now) == on}
            remembered.disabled = sorted(now - set().union(*meant.values()) if on else now | set(wanted))
    except OSError as error:
        raise UsageError(
            f"cannot write {host.state.path}: {error.strerror or error}. Choose another folder: INFERENCE_PIO_STATE_DIR"
        ) from error
    for name in wanted if on else ():
        for kind, record in _plugins(host, name):
            if host.state.forget_failures(PluginKey.of(kind, record)):
                changed.add(name)
    after = Host()
    return [Switched(name, name in changed, _plugins(after, name)) for name in wanted]


def report_switches(switched: Sequence[Switched], *, as_json: bool) -> None:
    """Say what came of it, for a person or a program."""
    if as_json:
        write_json(
            {
                "switched": [
                    {
                        "name": one.name,
                        "changed": one.changed,
                        "plugins": [{"kind": kind, **describe_record(record)} for kind, record in one.plugins],
                    }
                    for one in switched
                ]
            }
        )
        return
    for one in switched:
        if not one.changed:
            note(f"{one.name}: nothing to change")
        for kind, record in one.plugins:
            more = f"; {record.explanation}" if record.reasons and not record.is_usable else ""
            click.echo(f"{record.name} ({record.dist}, {KINDS[kind]}): {record.state}{more}")
        if not one.plugins:
            click.echo(f"{one.name}: is not installed; it is no longer on the list")


def _plugins(host: Host, name: str) -> tuple[tuple[PluginKind, PluginRecord], ...]:
    from ..errors import UnknownPluginError

    try:
        return host.named(name)
    except UnknownPluginError:
        return ()
