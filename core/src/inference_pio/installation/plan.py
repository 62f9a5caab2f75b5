"""What pip would do: resolved beforehand, as data, with the held libraries in their place."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InstallError
from ..names import canonical_name
from .child import Finished
from .held import Held, explain_conflict, explain_requirements
from .options import InstallOptions
from .pip_process import last_error, run_pip
from .requested import Requested


@dataclass(frozen=True)
class Planned:
    """One distribution that pip would install.

    Attributes:
        name: Canonical.
        version: Its version.
        is_requested: Whether the user named it, rather than something that needs it.
        is_direct: Whether it comes from a file, a folder or a URL rather than by its name.
        requirements: What it needs, PEP 508.
    """

    name: str
    version: str
    is_requested: bool
    is_direct: bool
    requirements: tuple[str, ...] = ()


class Resolver:
    """Runs ``pip install``, for show and in earnest, with the same arguments.

    Args:
        requested: What the user named.
        options: How.
        held: What must stay.
        is_shown: Let the person see pip's messages and progress.
    """

    def __init__(
        self, requested: Sequence[Requested], options: InstallOptions, held: Sequence[Held], *, is_shown: bool
    ) -> None:
        self._named = [argument for request in requested for argument in request.arguments]
        self._options = list(options.pip_arguments())
        self._held = tuple(held)
        self._is_shown = is_shown

    def plan(self) -> tuple[Planned, ...]:
        """Ask pip what it would install; nothing is.

        Raises:
            InstallError: It cannot be resolved; the message says who wants what of a held library, if that is why.
        """
        return self._dry_run()

    def held_back(self, planned: Sequence[Planned]) -> Iterator[str]:
        """Say of what the user named whether there is a version that pip passed over because of a held library."""
        taken = {(item.name, item.version) for item in planned}
        try:
            newest = self._dry_run("--no-deps")
        except InstallError:  # no reason to fail: this only explains what did not
            return
        for item in newest:
            if (item.name, item.version) not in taken:
                reason = explain_requirements(f"{item.name} {item.version}", item.requirements, self._held)
                if reason:
                    yield f"there is a newer version that does not fit: {reason}"

    def _dry_run(self, *more: str) -> tuple[Planned, ...]:
        with tempfile.TemporaryDirectory(prefix="inference-pio-plan-") as folder:
            report = Path(folder, "report.json")
            # Neither shown nor quiet: when it fails, what pip says of the conflict is read.
            finished = self._pip(folder, [], "--dry-run", f"--report={report}", *more, is_shown=False)
            if finished.code != 0:
                raise self._failure(finished)
            try:
                return tuple(_planned(item) for item in json.loads(report.read_bytes())["install"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InstallError(f"pip's report cannot be read: {error!r}. Try: pip install -U pip") from error

    def install(self, planned: Sequence[Planned]) -> None:
        """Let pip install what was planned, and no other version of it.

        Raises:
            InstallError: pip failed.
        """
        with tempfile.TemporaryDirectory(prefix="inference-pio-plan-") as folder:
            pins = [f"{item.name}=={item.version}" for item in planned if not item.is_direct]
            finished = self._pip(folder, pins, is_shown=self._is_shown)
            if finished.code != 0:
                raise self._failure(finished)

    def _pip(self, folder: str, pins: Sequence[str], *arguments: str, is_shown: bool) -> Finished:
        constraints = Path(folder, "held.txt")
        lines = [*(library.constraint for library in self._held), *pins]
        constraints.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        # --no-user: a setting of pip's must not lead it to another place than this environment.
        own = ("--no-user", f"--constraint={constraints}", *self._options, *arguments)
        return run_pip("install", *own, *self._named, is_shown=is_shown)

    def _failure(self, finished: Finished) -> InstallError:
        conflict = explain_conflict(finished.text, self._held)
        if conflict:
            return InstallError(conflict)
        if self._is_shown and not finished.text.strip():
            return InstallError("pip failed; its own messages stand above")
        return InstallError(f"pip failed: {last_error(finished)}")


def _planned(item: dict[str, Any]) -> Planned:
    metadata = item["metadata"]
    return Planned(
        name=canonical_name(metadata["name"]),
        version=metadata["version"],
        is_requested=bool(item.get("requested")),
        is_direct=bool(item.get("is_direct")),
        requirements=tuple(metadata.get("requires_dist", ())),
    )
