"""Why a plugin can or cannot run: every question that was asked of it, in order, with the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .host_state import PluginKind
from .records import Gate, Outcome, PluginRecord, PluginState, Reason

_OF_HOOKS: frozenset[Gate] = frozenset({"installed", "switched-on", "entry-point", "name", "history"})
"""The gates of a plugin without a manifest."""


@dataclass(frozen=True)
class GateAnswer:
    """One gate and what became of the plugin there.

    Attributes:
        gate: Which one, or ``load``.
        status: ``not-asked`` when an earlier one left nothing to ask.
        message: What was found.
        reasons: Why it failed; of a gate that it passed these are remarks.
    """

    gate: Gate | Literal["load"]
    status: Literal["passed", "failed", "not-asked"]
    message: str
    reasons: tuple[Reason, ...] = ()


def gate_answers(kind: PluginKind, record: PluginRecord) -> tuple[GateAnswer, ...]:
    """Return all gates of a plugin in order, also those that were not asked."""
    outcomes = {outcome.gate: outcome for outcome in record.outcomes}
    gates = [gate for gate in get_args(Gate) if kind == "model" or gate in _OF_HOOKS]
    return (*(_answer(gate, outcomes.get(gate)) for gate in gates), _loading(record))


def _answer(gate: Gate, outcome: Outcome | None) -> GateAnswer:
    if outcome is None:
        return GateAnswer(gate, "not-asked", "a gate before it must be passed first")
    if outcome.has_passed:
        return GateAnswer(gate, "passed", outcome.message, outcome.reasons)
    return GateAnswer(gate, "failed", "; ".join(reason.message for reason in outcome.reasons), outcome.reasons)


def _loading(record: PluginRecord) -> GateAnswer:
    if record.state is PluginState.LOADED:
        return GateAnswer("load", "passed", "it is loaded in this process")
    if record.state is PluginState.FAILED:
        return GateAnswer("load", "failed", record.explanation, record.reasons)
    return GateAnswer("load", "not-asked", f"nothing was imported; to try: inference-pio check {record.name} --import")
