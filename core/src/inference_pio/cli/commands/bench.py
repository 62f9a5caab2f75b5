"""``inference-pio bench``: how fast a model is on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..command import build_command, option
from ..options import accept_license, as_json, device, dtype, force, plugin_name, threads, weights
from ..table import draw_fields
from ..terminal import write_json

EXAMPLES = """
inference-pio bench smollm2
inference-pio bench smollm2 --threads 2 --dtype float32 --json
inference-pio bench gemma3 --own-workloads     # what matters for this model beside the common figures
inference-pio bench smollm2 --plot smollm2.svg # speed over context length and batch size; 3 minutes at most
"""


@build_command("bench", examples=EXAMPLES)
@plugin_name
@option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Prompts at once in `batch`.",
)
@option("--speculate", is_flag=True, help="Also measure repeating a list, without guessing ahead and with it.")
@option("--own-workloads", is_flag=True, help="Also measure what the model's authors added; takes longer.")
@option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Also measure over context length and batch size, and draw that: .png or .svg; takes up to 3 minutes.",
)
@weights
@device
@dtype
@threads
@accept_license
@force
@as_json
def command(name: str, batch: int, weights: str | None, accept_license: bool, as_json: bool, **options: Any) -> None:
    """Measure how fast the model NAME is on this machine.

    Loading, decoding, prefill and a batch of prompts; on a CPU also what a token reads, and how much of the memory's
    bandwidth that is. With --json exactly one line is printed, for programs.
    """
    from ...host import default_host
    from ...settings import trial
    from ..loading import runtime_module, with_consent
    from ..results import results_only

    host = default_host()
    host.record(name)  # a wrong name is told before anything is imported
    run_bench = runtime_module("bench", "measuring a model").run_bench
    with results_only() as out, trial():
        result = with_consent(
            lambda accepted, progress: run_bench(
                name, weights=weights, batch=batch, accept_license=accepted, progress=progress, **options
            ),
            host,
            name,
            weights,
            accepted=accept_license,
        )
        if as_json:
            write_json(result, out, one_line=True)
        else:
            click.echo(_draw(result), file=out)


def _draw(result: Mapping[str, Any]) -> str:
    return draw_fields([(key, _readable(key, value)) for key, value in result.items() if key != "curves"])


def _readable(key: str, value: object) -> str:
    if key == "bandwidth_share" and isinstance(value, float):
        return f"{value:.0%}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
