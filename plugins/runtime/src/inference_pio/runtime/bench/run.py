"""How fast a model is on this machine: fixed workloads, the same for every model and every engine one compares with.

    load     from file to ready, file in the page cache                        -> load_s
    decode   a short chat prompt, then 128 greedy tokens, end-of-text ignored  -> decode_tok_s (tokens 2..128)
    prefill  a 512-token prompt, one new token                                 -> prefill_tok_s (prompt / time to first)
    batch    16 different prompts at once, 128 greedy tokens each              -> batch_tok_s (new tokens / wall time)

Every rate is the best of three after a warm-up: the machine's noise only ever makes a run slower.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference_pio.cores import usable_cores
from inference_pio.errors import PluginLoadError
from inference_pio.generation import GenerationStats, LoadOptions, ProgressCallback
from inference_pio.host import default_host

from ..causal_lm import CausalLMPlugin

if TYPE_CHECKING:
    from inference_pio.interfaces import ModelPlugin

NEW_TOKENS = 128
QUESTION = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"
)
STORY = "<|im_start|>user\nWrite a long story about number {}.<|im_end|>\n<|im_start|>assistant\n"
LONG = "The quick brown fox jumps over the lazy dog. " * 51
GREEDY: dict[str, Any] = {"temperature": 0.0, "repetition_penalty": 1.0, "ignore_eos": True}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Something a model measures beside the common workloads; listed in ``WORKLOADS`` of its ``benchmarks`` package.

    Attributes:
        key: Name of the figure, ending in its unit: ``decode_at_2048_tok_s``.
        summary: What is measured and why.
        measure: One run on a loaded model; greater is better.
    """

    key: str
    summary: str
    measure: Callable[[CausalLMPlugin], float]


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
        progress: Called while downloading and loading.
        own_workloads: Also run the workloads that the model brings.
        force: Go on although there seems to be too little memory.

    Returns:
        ``peer``, ``threads``, ``load_s`` (seconds), rates (tokens a second) and ``peak_rss_mb`` (MiB).
    """
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
    with model:
        executor = model.engine.executor.name if model.engine else ""
        figures["decode_tok_s"] = best(lambda: decode_rate(model.generate(QUESTION, **_greedy(NEW_TOKENS)).stats))
        figures["prefill_tok_s"] = best(lambda: prefill_rate(model))
        figures["batch_tok_s"] = best(lambda: batch_rate(model, batch))
        if own_workloads:
            figures |= {w.key: best(lambda w=w: w.measure(model)) for w in workloads_of(model)}  # type: ignore[misc]  # a default of a lambda has no type
    if (peak := peak_rss_mb()) is not None:
        figures["peak_rss_mb"] = peak
    rounded = {key: round(value, 3) for key, value in figures.items()}
    return {"peer": "inference-pio", "model": plugin_name, "executor": executor, "threads": threads, **rounded}


def peak_rss_mb() -> float | None:
    """Greatest memory of this process so far, MiB; ``None`` where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    per_mib = 1 << (20 if sys.platform == "darwin" else 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib


def best(measure: Callable[[], float], rounds: int = 3) -> float:
    """Return the greatest of several runs after a warm-up."""
    measure()
    return max(measure() for _ in range(rounds))


def decode_rate(stats: GenerationStats) -> float:
    """New tokens a second without the first one, whose time is the prefill's."""
    return stats.decode_tokens_per_s


def prefill_rate(model: CausalLMPlugin) -> float:
    """Prompt tokens a second, on a prompt that no cache has seen."""
    stats = model.generate(f"{next(_prompts)} {LONG}", **_greedy(1)).stats
    return stats.prompt_tokens / stats.total_s


def batch_rate(model: CausalLMPlugin, batch: int) -> float:
    """New tokens a second over several prompts at once."""
    started = time.perf_counter()
    completions = model.generate_batch([STORY.format(i) for i in range(batch)], **_greedy(NEW_TOKENS))
    return sum(len(c.token_ids) for c in completions) / (time.perf_counter() - started)


def decode_rate_at(model: CausalLMPlugin, tokens: int) -> float:
    """New tokens a second after a prompt of ``tokens`` tokens."""
    ids = model.tokenize(LONG)
    prompt = (ids * (tokens // len(ids) + 1))[:tokens]
    return decode_rate(model.generate(prompt, **_greedy(NEW_TOKENS // 4)).stats)


def workloads_of(model: CausalLMPlugin) -> tuple[Workload, ...]:
    """Return the workloads that a model's ``benchmarks`` package lists; empty when it has none."""
    package = type(model).__module__.rpartition(".")[0]
    return tuple(getattr(importlib.import_module(f"{package}.benchmarks"), "WORKLOADS", ()))


def _greedy(tokens: int) -> dict[str, Any]:
    # The prompts hold their chat markup themselves, so that every engine gets the same text.
    return {**GREEDY, "raw": True, "max_new_tokens": tokens}


def _causal(plugin: ModelPlugin) -> CausalLMPlugin:
    if not isinstance(plugin, CausalLMPlugin):
        raise PluginLoadError(
            "is not a causal language model of the runtime, so it cannot be measured", plugin=plugin.name
        )
    return plugin


_prompts: Iterator[int] = itertools.count()
