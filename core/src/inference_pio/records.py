"""``PluginRecord``: what the host knows of a plugin without having run any of its code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .manifest import Manifest


class PluginState(str, Enum):
    """Where a plugin stands. Only ``READY`` may be loaded."""

    READY = "ready"
    """Sound, and every gate passed."""
    INVALID = "invalid"
    """A defect of the plugin: manifest, entry point, or a name that two distributions claim."""
    INCOMPATIBLE = "incompatible"
    """Sound, but not for this machine or environment."""
    DISABLED = "disabled"
    """The user said so."""
    QUARANTINED = "quarantined"
    """Put aside after it did harm."""
    LOADED = "loaded"
    """Its object exists in this process."""
    FAILED = "failed"
    """Loading was tried in this process and failed; it is not tried again."""

    def __str__(self) -> str:
        return self.value


ReasonCode = Literal[
    # invalid
    "entry-point-broken",
    "entry-point-mismatch",
    "index-failed",
    "manifest-broken",
    "manifest-missing",
    "manifest-outside",
    "name-collision",
    # incompatible
    "dependency-missing",
    "dependency-version",
    "host-api",
    "memory",
    "python-version",
    "schema-version",
    "torch-version",
    "transformers-version",
    # disabled
    "disabled",
    "not-allowed",
    # quarantined
    "quarantined",
    # failed
    "load-failed",
    # remarks on a plugin that is ready
    "duplicate-metadata",
    "failed-before",
    "memory-unknown",
    "unknown-key",
]
"""What a program may rely on; a code never changes its meaning."""


@dataclass(frozen=True)
class Reason:
    """Why a plugin is in its state, or a remark on a plugin that is ready.

    Attributes:
        code: Stable, for programs.
        message: What is the matter, for people; one sentence without its full stop.
        fix: What to do about it; empty when there is nothing to do.
    """

    code: ReasonCode
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message


Gate = Literal[
    "installed",
    "switched-on",
    "entry-point",
    "file",
    "manifest",
    "agreement",
    "name",
    "schema",
    "host-api",
    "python",
    "torch",
    "transformers",
    "dependencies",
    "memory",
    "history",
]
"""Every question that is asked of a plugin, in order. A manifest that cannot be read leaves the later ones unasked."""


@dataclass(frozen=True)
class Outcome:
    """What became of a plugin at one gate.

    Attributes:
        gate: Which one.
        message: What was found, where it passed.
        reasons: Why it failed; of a gate that it passed these are remarks.
        state: What the plugin is for having failed here; ``None`` when it passed.
    """

    gate: Gate
    message: str = ""
    reasons: tuple[Reason, ...] = ()
    state: PluginState | None = None

    @property
    def has_passed(self) -> bool:
        """Whether this gate lets the plugin through."""
        return self.state is None


_PRECEDENCE = (
    PluginState.DISABLED,  # also of a broken plugin: that may be why it was disabled
    PluginState.INVALID,
    PluginState.INCOMPATIBLE,
    PluginState.QUARANTINED,
)


@dataclass(frozen=True)
class PluginRecord:
    """One plugin as the index found it.

    Attributes:
        name: Entry point name in its canonical spelling: what every command takes.
        dist_name: Distribution that ships it, canonical.
        dist_version: The distribution's version, ``unknown`` if its metadata does not say.
        entry_point: The entry point's value, ``package.module:factory``.
        state: Where it stands.
        reasons: Why; for a plugin that is ready these are remarks.
        manifest: Its manifest; ``None`` for a broken one and for plugins that bring hooks only.
        manifest_path: Where the manifest was found.
        manifest_sha256: Of its bytes, hexadecimal; empty when there is none.
        outcomes: What became of it at each gate, in order; state and reasons follow from these.
    """

    name: str
    dist_name: str
    dist_version: str
    entry_point: str
    state: PluginState
    reasons: tuple[Reason, ...] = ()
    manifest: Manifest | None = None
    manifest_path: str | None = None
    manifest_sha256: str = ""
    outcomes: tuple[Outcome, ...] = ()

    def settled(self, more: Iterable[Outcome] = ()) -> PluginRecord:
        """Return the record with more outcomes, and the state and reasons that follow from all of them."""
        outcomes = (*self.outcomes, *more)
        failed = {outcome.state for outcome in outcomes}
        state = next((state for state in _PRECEDENCE if state in failed), PluginState.READY)
        deciding = [o for o in outcomes if o.state is (None if state is PluginState.READY else state)]
        reasons = tuple(reason for outcome in deciding for reason in outcome.reasons)
        return dataclasses.replace(self, outcomes=outcomes, state=state, reasons=reasons)

    @property
    def dist(self) -> str:
        """Distribution and version, for messages: ``inference-pio-smollm2 0.1.0``."""
        return f"{self.dist_name} {self.dist_version}"

    @property
    def is_usable(self) -> bool:
        """Whether asking for it can succeed."""
        return self.state in (PluginState.READY, PluginState.LOADED)

    @property
    def explanation(self) -> str:
        """All reasons in one text; empty when there is none."""
        return "; ".join(str(reason).rstrip(".") for reason in self.reasons)
