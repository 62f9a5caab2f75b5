"""Plugins as a fresh process sees them: this one's import system has seen the environment as it was."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InstallError
from ..gates import MEMORY
from ..names import canonical_name
from .child import Finished, module_command, run_child

_LIST_TIMEOUT_S = 120.0
"""A listing takes a fraction of a second; this long only if something hangs the interpreter itself."""
_SPARE_S = 30.0
"""What a check may take beside the import that it limits, seconds."""


@dataclass(frozen=True)
class SeenPlugin:
    """One installed plugin.

    Attributes:
        kind: ``model`` or ``hooks``.
        name: Canonical.
        dist: Canonical name of its distribution.
        version: Of the distribution.
        state: As ``inference-pio list`` shows it.
        reasons: Why; each with ``code``, ``message`` and ``fix``.
    """

    kind: str
    name: str
    dist: str
    version: str
    state: str
    reasons: tuple[Mapping[str, str], ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether it can be used."""
        return self.state == "ready"

    @property
    def lacks_memory_only(self) -> bool:
        """Whether nothing but memory, which changes from hour to hour, keeps it from being used."""
        return self.state == "incompatible" and all(reason["code"] == MEMORY for reason in self.reasons)

    @property
    def explanation(self) -> str:
        """All reasons in one text."""
        return "; ".join(f"{r['message']}. {r['fix']}".rstrip(". ") for r in self.reasons)


def observe_plugins() -> tuple[SeenPlugin, ...]:
    """Return every installed plugin, models first, without running any plugin's code.

    Raises:
        InstallError: The host does not start, or cannot list.
    """
    finished = _run_host("list", "--all", "--json", timeout_s=_LIST_TIMEOUT_S)
    if finished.code != 0:
        raise InstallError(f"the host does not start in this environment: {_ending(finished)}")
    try:
        listed = json.loads(finished.output)
    except ValueError as error:
        raise InstallError(f"the host's listing cannot be read: {finished.output[:200]!r}") from error
    return (*_seen("model", listed["models"]), *_seen("hooks", listed["hooks"]))


def _seen(kind: str, records: Iterable[Mapping[str, Any]]) -> Iterable[SeenPlugin]:
    for record in records:
        reasons = tuple(record["reasons"])
        yield SeenPlugin(kind, record["name"], record["dist"], record["version"], record["state"], reasons)


def names_of_dists(plugins: Iterable[SeenPlugin]) -> dict[str, str]:
    """Return the distribution of each plugin by the plugin's name, where only one claims it."""
    owners: dict[str, set[str]] = {}
    for plugin in plugins:
        owners.setdefault(canonical_name(plugin.name), set()).add(plugin.dist)
    return {name: next(iter(dists)) for name, dists in owners.items() if len(dists) == 1}


def defects_of(plugin: SeenPlugin, timeout_s: float) -> tuple[str, ...]:
    """Check an installed plugin thoroughly: import it, call its factory, look at its object, in a process of its own.

    Returns:
        What is wrong with it, an item for each error; empty when it is sound.

    Raises:
        InstallError: The check itself could not run.
    """
    finished = _run_host(
        "check", plugin.dist, "--import", "--json", f"--timeout={timeout_s:g}", timeout_s=timeout_s + _SPARE_S
    )
    if finished.code == 0:
        return ()
    try:
        findings = json.loads(finished.output)["findings"]
        errors = tuple(f"{f['message']} ({f['code']})" for f in findings if f["severity"] == "error")
    except (ValueError, KeyError, TypeError):
        errors = ()
    if errors:
        return errors
    if finished.code in (1, 2):
        raise InstallError(f"{plugin.name!r} ({plugin.dist}) could not be checked: {_ending(finished)}")
    return (f"its check {_ending(finished)}",)


def _run_host(*arguments: str, timeout_s: float) -> Finished:
    # Strict mode raises what should be reported, and nobody wants the bytecode of a plugin that is rolled back.
    environment = {name: value for name, value in os.environ.items() if name != "INFERENCE_PIO_STRICT"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if "PYTHONPATH" in environment:
        places = filter(None, environment["PYTHONPATH"].split(os.pathsep))
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(place).absolute()) for place in places)
    # In an empty folder: one in the current folder that is called like a distribution must not be checked in its place.
    with tempfile.TemporaryDirectory(prefix="inference-pio-") as folder:
        command = module_command("inference_pio", *arguments)
        return run_child(command, environment=environment, timeout_s=timeout_s, folder=folder)


def _ending(finished: Finished) -> str:
    if finished.code is None:
        return "did not end in time"
    said = [line for line in finished.errors.splitlines() if line.strip()]
    return f"ended with exit code {finished.code}" + (f": {said[-1].strip()}" if said else "")
