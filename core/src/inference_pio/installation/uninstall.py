"""Uninstalling plugins: by any spelling of their names, all or nothing, and never what others stand on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InstallError, UsageError
from ..file_sizes import size_of
from ..installed import Installed, InstalledDist
from ..names import canonical_name, nearest_names
from .distributions import Change, recorded_files, scan_afresh
from .environment import Say, exclusive, require_changeable, termination_as_interrupt, uninterrupted
from .held import EXACT, HOST
from .observation import SeenPlugin, observe_plugins
from .pip_process import last_error, require_pip, run_pip
from .remaining_weights import RemainingWeights, remaining_weights
from .requested import PREFIX
from .transaction import Transaction
from .verdict import requirements_closure

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DoomedDist:
    """One distribution that is to be removed.

    Attributes:
        name: Canonical.
        version: Installed.
        plugins: What it brings.
        n_files: How many files.
        n_bytes: Their size.
    """

    name: str
    version: str
    plugins: tuple[SeenPlugin, ...]
    n_files: int
    n_bytes: int


@dataclass(frozen=True)
class Removal:
    """What an uninstall removes.

    Attributes:
        dists: By name.
        weights: Downloaded weights of their models, which stay.
        dependents: Plugin distributions that stay and need what is removed, by what they need.
    """

    dists: tuple[DoomedDist, ...]
    weights: tuple[RemainingWeights, ...] = ()
    dependents: Mapping[str, tuple[str, ...]] | None = None


def uninstall(
    names: Sequence[str],
    *,
    force: bool = False,
    confirm: Callable[[Removal], bool] | None = None,
    say: Say = logger.info,
) -> Removal | None:
    """Uninstall plugins with pip.

    Args:
        names: Of plugins or distributions, in any spelling.
        force: Remove what other plugins need, too.
        confirm: Asked before anything is removed.
        say: Takes remarks for the person.

    Returns:
        What was removed; ``None`` when ``confirm`` said no.

    Raises:
        UsageError: A name is unknown or not for this command to remove; nothing was removed.
        InstallError: Others need it, or pip or the environment failed; nothing was removed.
    """
    require_changeable()
    with exclusive(say), termination_as_interrupt():
        installed = scan_afresh()
        require_pip(installed)
        plugins = observe_plugins()
        doomed = _doomed(names, plugins)
        removal = _removal(doomed, plugins, installed)
        if removal.dependents and not force:
            raise InstallError(_dependents_message(removal.dependents))
        if confirm is not None and not confirm(removal):
            return None
        _remove(doomed, installed)
        return removal


def _doomed(names: Sequence[str], plugins: Sequence[SeenPlugin]) -> list[str]:
    """Return the distributions that are meant, each once.

    Raises:
        UsageError: At least one name means none, or more than one.
    """
    unknown: list[str] = []
    found: dict[str, None] = {}
    for name in names:
        wanted = canonical_name(name)
        dists = {p.dist for p in plugins if wanted == p.dist} or {p.dist for p in plugins if wanted == p.name}
        dists = dists or {p.dist for p in plugins if p.dist == PREFIX + wanted}
        if len(dists) > 1:
            raise UsageError(f"{name!r} is the name of plugins of {' and of '.join(sorted(dists))}. Name one of these")
        if not dists:
            unknown.append(_unknown(name, wanted, plugins))
        found.update(dict.fromkeys(dists))
    if unknown:
        raise UsageError("; ".join(unknown) + (". Nothing was removed" if len(names) > 1 else ""))
    return list(found)


def _unknown(name: str, wanted: str, plugins: Iterable[SeenPlugin]) -> str:
    if wanted == HOST:
        return "inference-pio is the host itself, not a plugin; to remove it: pip uninstall inference-pio"
    if wanted in EXACT:
        return f"{wanted} is a library, not a plugin; to remove it: pip uninstall {wanted}"
    known = sorted({spelling for plugin in plugins for spelling in (plugin.name, plugin.dist)})
    nearest = nearest_names(wanted, known)
    hint = f"Did you mean {' or '.join(map(repr, nearest))}?" if nearest else "See: inference-pio list --all"
    return f"no installed plugin is called {name!r}. {hint}"


def _removal(doomed: Sequence[str], plugins: Sequence[SeenPlugin], installed: Installed) -> Removal:
    owned = {name: tuple(p for p in plugins if p.dist == name) for name in doomed}
    models = [plugin.name for own in owned.values() for plugin in own if plugin.kind == "model"]
    return Removal(
        dists=tuple(_doomed_dist(installed.dists[name], owned[name]) for name in sorted(doomed)),
        weights=remaining_weights(models),
        dependents=_dependents(doomed, plugins, installed),
    )


def _doomed_dist(dist: InstalledDist, plugins: tuple[SeenPlugin, ...]) -> DoomedDist:
    files = {path for path in recorded_files(dist) if os.path.lexists(path)}
    n_bytes = sum(size_of(Path(path)) for path in files)
    return DoomedDist(dist.name, dist.version, plugins, len(files), n_bytes)


def _dependents(
    doomed: Sequence[str], plugins: Iterable[SeenPlugin], installed: Installed
) -> dict[str, tuple[str, ...]]:
    staying = sorted({plugin.dist for plugin in plugins} - set(doomed))
    needs = {name: requirements_closure([name], installed) for name in staying}
    found = {name: tuple(other for other in staying if name in needs[other]) for name in doomed}
    return {name: others for name, others in found.items() if others}


def _dependents_message(dependents: Mapping[str, tuple[str, ...]]) -> str:
    told = "; ".join(f"{name} is needed by {', '.join(others)}" for name, others in sorted(dependents.items()))
    others = sorted({other for group in dependents.values() for other in group})
    return (
        f"{told}. Uninstall {'it' if len(others) == 1 else 'them'} as well ({' '.join(others)}), or repeat with --force"
    )


def _remove(doomed: Sequence[str], installed: Installed) -> None:
    with Transaction(installed, doomed) as transaction:
        try:
            finished = run_pip("uninstall", "--yes", *doomed)
            if finished.code != 0:
                raise InstallError(f"pip failed: {last_error(finished)}. Nothing was removed")
            _require_gone(doomed, transaction.changes(), installed)
        except BaseException:
            with uninterrupted():
                transaction.rollback()
            raise


def _require_gone(doomed: Iterable[str], changes: Iterable[Change], installed: Installed) -> None:
    gone = {change.name for change in changes if change.new is None}
    left = [name for name in doomed if name not in gone]
    if left:
        places = ", ".join(f"{name} in {Path(installed.dists[name].folder).parent}" for name in left)
        raise InstallError(
            f"pip left {places}: that is outside of this environment, or installed twice. Nothing was removed; "
            "inference-pio doctor shows what is installed twice"
        )
