"""``run_bench``: everything that is measured of a model, in one go."""

from __future__ import annotations

import datetime
import sys
import time
from typing import TYPE_CHECKING, Any

from inference_pio.cores import usable_cores
from inference_pio.errors import PluginLoadError
from inference_pio.generation import LoadOptions, ProgressEvent
from inference_pio.host import default_host

from ..causal_lm import CausalLMPlugin
from .curves import measure_curves
from .machine import describe_machine
from .plot import check_plot, draw_plot
from .reading import reading_figures
from .workloads import batch_rate, best, decode_stats, prefill_rate, repeat_stats, workloads_of

if TYPE_CHECKING:
    from pathlib import Path

    from inference_pio.generation import ProgressCallback
    from inference_pio.interfaces import ModelPlugin


def run_bench(
    plugin_name: str,
    *,
    weights: str | None = None,
    threads: int | None = None,
    batch: int = 16,
    device: str | None = None,
    dtype: str | None = None,
    accept_license: bool = False,
    progress: ProgressCallback | None = None,
    own_workloads: bool = False,
    speculate: bool = False,
    plot: Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Load a model and measure it.

    Args:
        plugin_name: Entry point name.
        weights: As in ``LoadOptions``.
        threads: CPU threads; default: the cores this process may use.
        batch: Prompts at once in the ``batch`` workload.
        device: As in ``LoadOptions``.
        dtype: As in ``LoadOptions``.
        accept_license: As in ``LoadOptions``.
        progress: Called while downloading and loading, and before every measurement.
        own_workloads: Also run the workloads that the model brings.
        speculate: Also repeat a list without and with guesses: ``repeat_tok_s`` and ``repeat_speculate_tok_s``.
        plot: Also measure over context length and batch size, and draw that into this PNG or SVG file.
        force: Go on although there seems to be too little memory.

    Returns:
        ``peer``, ``model``, ``executor``, ``threads``, ``load_s`` (seconds), rates (tokens a second), ``peak_rss_mb``
        (MiB); on a CPU ``bytes_per_token``, ``memory_bandwidth_gb_s`` (10^9 bytes a second) and ``bandwidth_share`` (0
        to 1), see ``reading_figures``; ``machine``, ``date`` and, with ``plot``, ``curves``, see ``measure_curves``.

    Raises:
        InvalidOptionError: ``plot`` is no place for a picture; before anything is measured.
        InferencePioError: ``plot`` without matplotlib; or loading failed.
    """
    if plot is not None:
        check_plot(plot)
    host = default_host()
    host.pull(plugin_name, weights, accept_license=accept_license, progress=progress)  # a download is not loading
    threads = threads or usable_cores()
    options = LoadOptions(
        weights=weights, device=device, dtype=dtype, threads=threads, accept_license=accept_license, progress=progress
    )
    _causal(host.plugin(plugin_name, force=force))
    # Neither are imports, which peers do first, too, nor what is kept for the next time: packed weights.
    host.load(plugin_name, options, force=force).cleanup()
    started = time.perf_counter()
    model = _causal(host.load(plugin_name, options, force=force))
    figures: dict[str, float] = {"load_s": time.perf_counter() - started}
    report = _Report(progress)
    with model:
        assert model.engine is not None, "it has just been loaded"
        executor = model.engine.executor.name
        report("decode")
        figures["decode_tok_s"] = best(lambda: decode_stats(model).decode_tokens_per_s)
        report("prefill")
        figures["prefill_tok_s"] = best(lambda: prefill_rate(model))
        report(f"{batch} prompts at once")
        figures["batch_tok_s"] = best(lambda: batch_rate(model, batch))
        for workload in workloads_of(model) if own_workloads else ():
            report(workload.summary)
            figures[workload.key] = best(lambda w=workload: w.measure(model))  # type: ignore[misc]  # a default of a lambda has no type
        if speculate:
            report("a list repeated, without and with guesses")
            for key, on in (("repeat_tok_s", False), ("repeat_speculate_tok_s", True)):
                figures[key] = best(lambda on=on: repeat_stats(model, speculate=on).decode_tokens_per_s)  # type: ignore[misc]  # as above
        if (peak := peak_rss_mb()) is not None:  # before anything that only measuring needs takes memory
            figures["peak_rss_mb"] = peak
        report("the memory's bandwidth")
        figures |= reading_figures(model, threads)
        curves = measure_curves(model, report) if plot is not None else None
    result: dict[str, Any] = {
        "peer": "inference-pio",
        "model": plugin_name,
        "executor": executor,
        "threads": threads,
        **{key: round(value, 3) for key, value in figures.items()},
        "machine": describe_machine(),
        "date": datetime.date.today().isoformat(),
    }
    if plot is not None and curves is not None:
        result["curves"] = curves
        draw_plot(plot, result)
    return result


def peak_rss_mb() -> float | None:
    """Greatest memory of this process so far, MiB; ``None`` where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    per_mib = 1 << (20 if sys.platform == "darwin" else 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib


class _Report:
    """Counts measurements and tells which one begins."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self.progress, self.done = progress, 0

    def __call__(self, label: str) -> None:
        if self.progress:
            self.progress(ProgressEvent(stage="measure", done=self.done, total=None, unit="figures", label=label))
        self.done += 1


def _causal(plugin: ModelPlugin) -> CausalLMPlugin:
    if not isinstance(plugin, CausalLMPlugin):
        raise PluginLoadError(
            "is not a causal language model of the runtime, so it cannot be measured", plugin=plugin.name
        )
    return plugin
