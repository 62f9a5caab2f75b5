"""``Optimization``: something a model does to be faster or smaller, with a name, a precondition and a switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference_pio.errors import InvalidOptionError

if TYPE_CHECKING:
    from .layers import Decoder


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """One named optimization of a model's ``specific_optimizations/``.

    Attributes:
        name: For ``LoadOptions.disabled_optimizations``.
        summary: What it does.
        precondition: When it applies, for people.
        measured_gain: What it brought, on what machine and workload.
        applies: The precondition, on ``(model, config)`` before weights are in place.
        apply: Changes the model in place, before weights are in place.
    """

    name: str
    summary: str
    precondition: str
    measured_gain: str
    applies: Callable[[Decoder, Any], bool]
    apply: Callable[[Decoder], None]


def apply_optimizations(
    model: Decoder, optimizations: Sequence[Optimization], disabled: Sequence[str], config: Any
) -> list[str]:
    """Apply every optimization whose precondition holds and that is not disabled.

    Args:
        model: Changed in place.
        optimizations: Of the model, in order.
        disabled: Names to leave off.
        config: The model's configuration.

    Returns:
        The names applied.

    Raises:
        InvalidOptionError: ``disabled`` names an optimization that does not exist.
    """
    names = [o.name for o in optimizations]
    unknown = [name for name in disabled if name not in names]
    if unknown:
        known = ", ".join(names) or "none"
        raise InvalidOptionError(f"optimization {', '.join(map(repr, unknown))} is unknown; this model has: {known}")
    chosen = [o for o in optimizations if o.name not in disabled and o.applies(model, config)]
    for optimization in chosen:
        optimization.apply(model)
    return [o.name for o in chosen]
