"""Speed over context length and over batch size."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .workloads import FEW_TOKENS, batch_rate, stats_at

if TYPE_CHECKING:
    from ..causal_lm import CausalLMPlugin

logger = logging.getLogger(__name__)

CONTEXTS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
BATCHES = (1, 2, 4, 8, 16, 32)
ROUNDS = 3
BUDGET_S = 75.0
"""Seconds that each of the two sweeps may take."""
GROWTH = 3.0
"""A size takes at most so many times as long as the one before, half as large: attention grows with the square."""

Figures = dict[str, float]
Report = Callable[[str], None]


def measure_curves(
    model: CausalLMPlugin,
    report: Report,
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, list[Figures]]:
    """Measure prefill and decode after longer and longer prompts, and more and more prompts at once.

    Args:
        model: Loaded.
        report: Told what comes next.
        budget_s: Seconds that each of the two may take; sizes that would take longer are left out.
        clock: Seconds, for tests.

    Returns:
        ``context``: ``tokens`` of the prompt, ``prefill_tok_s``, ``decode_tok_s`` of the 32 tokens that follow; up to
        8192 tokens or the context. ``batch``: ``prompts``, ``tok_s``, new tokens of all of them a second, the time for
        the prompts included. Every figure is the best of up to three.
    """
    assert model.engine is not None, "the model is loaded"
    limit = model.engine.context - FEW_TOKENS

    def at_context(tokens: int) -> Figures:
        stats = stats_at(model, tokens)
        return {"prefill_tok_s": stats.prefill_tokens_per_s, "decode_tok_s": stats.decode_tokens_per_s}

    def at_batch(prompts: int) -> Figures:
        return {"tok_s": batch_rate(model, prompts, FEW_TOKENS)}

    contexts = sorted({min(tokens, limit) for tokens in CONTEXTS})
    return {
        "context": sweep("tokens", contexts, at_context, report, budget_s=budget_s, clock=clock),
        "batch": sweep("prompts", BATCHES, at_batch, report, budget_s=budget_s, clock=clock),
    }


def sweep(
    name: str,
    sizes: Sequence[int],
    measure: Callable[[int], Figures],
    report: Report,
    *,
    budget_s: float,
    clock: Callable[[], float],
) -> list[Figures]:
    """Measure all sizes, smallest first, round after round while there is time; keep the best of each figure."""
    end = clock() + budget_s
    points: dict[int, Figures] = {}
    seconds: dict[int, float] = {}
    for number in range(ROUNDS):
        before = 0.0
        for size in sizes:
            expected = seconds.get(size, GROWTH * before)
            if (number and size not in points) or clock() + expected > end:
                continue
            report(f"{name}: {size} (round {number + 1} of {ROUNDS})")
            started = clock()
            figures = measure(size)
            before = seconds[size] = clock() - started
            known = points.setdefault(size, figures)
            points[size] = {key: max(value, known[key]) for key, value in figures.items()}
    if left := [str(size) for size in sizes if size not in points]:
        logger.warning("%s %s left out: more than %.0f s would have been needed", ", ".join(left), name, budget_s)
    return [{name: size, **{key: round(value, 3) for key, value in points[size].items()}} for size in points]
