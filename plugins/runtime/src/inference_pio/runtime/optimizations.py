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
        switch: Turns it on or off in a model, before weights are in place.
    """

    name: str
    summary: str
    precondition: str
    measured_gain: str
    applies: Callable[[Decoder, Any], bool]
    switch: Callable[[Decoder, bool], None]


def apply_optimizations(
    model: Decoder, optimizations: Sequence[Optimization], disabled: Sequence[str], config: Any
) -> list[str]:
    """Turn on every optimization whose precondition holds and that is not disabled, and all others off.

    Args:
        model: Changed in place.
        optimizations: Of the model, in order.
        disabled: Names to leave off.
        config: The model's configuration.

    Returns:
        The names of those that are on.

    Raises:
        InvalidOptionError: ``disabled`` names an optimization that does not exist.
    """
    names = [o.name for o in optimizations]
    unknown = [name for name in disabled if name not in names]
    if unknown:
        known = ", ".join(names) or "none"
        raise InvalidOptionError(f"optimization {', '.join(map(repr, unknown))} is unknown; this model has: {known}")
    applied = []
    for optimization in optimizations:
        is_on = optimization.name not in disabled and optimization.applies(model, config)
        optimization.switch(model, is_on)
        applied += [optimization.name] if is_on else []
    return applied


def fused_products(measured_gain: str) -> Optimization:
    """Projections that read the same input are computed as one matrix product (``FusedLinear``).

    Args:
        measured_gain: What it brought the model, on what machine and workload.
    """
    return Optimization(
        name="fused-products",
        summary="query, key and value in one matrix product, gate and up in another",
        precondition="always: the projections of a group read the same input",
        measured_gain=measured_gain,
        applies=lambda model, config: True,
        switch=_switch_fused_products,
    )


def _switch_fused_products(model: Decoder, is_on: bool) -> None:
    from .layers import FusedLinear

    for module in model.modules():
        if isinstance(module, FusedLinear):
            module.is_fused = is_on
