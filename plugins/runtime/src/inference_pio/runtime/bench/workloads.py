"""What is measured: fixed workloads, the same for every model and every engine one compares with.

    load     from file to ready, file in the page cache                        -> load_s
    decode   a short chat prompt, then 128 greedy tokens, end-of-text ignored  -> decode_tok_s (tokens 2..128)
    prefill  a 512-token prompt, one new token                                 -> prefill_tok_s (prompt / time to first)
    batch    16 different prompts at once, 128 greedy tokens each              -> batch_tok_s (new tokens / wall time)

Every rate is the best of three after a warm-up: the machine's noise only ever makes a run slower.
"""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference_pio.generation import GenerationStats

    from ..causal_lm import CausalLMPlugin

NEW_TOKENS = 128
FEW_TOKENS = 32
QUESTION = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"
)
STORY = "<|im_start|>user\nWrite a long story about number {}.<|im_end|>\n<|im_start|>assistant\n"
LIST = "\n".join(f"{n}. Box {n * 37 % 100} is on shelf {n * 7 % 10}, room {n * 3 % 8}." for n in range(1, 21))
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


def best(measure: Callable[[], float], rounds: int = 3) -> float:
    """Return the greatest of several runs after a warm-up."""
    measure()
    return max(measure() for _ in range(rounds))


def decode_stats(model: CausalLMPlugin) -> GenerationStats:
    """Return the counts and times of one run of the ``decode`` workload."""
    return model.generate(QUESTION, **greedy(NEW_TOKENS)).stats


def repeat_stats(model: CausalLMPlugin, *, speculate: bool) -> GenerationStats:
    """Return the counts and times of repeating a list, where guessing ahead helps most."""
    prompt = f"{LIST}\n\nThe same list again:\n\n{LIST[:60]}"
    return model.generate(prompt, **greedy(NEW_TOKENS), speculate=speculate).stats


def prefill_rate(model: CausalLMPlugin) -> float:
    """Prompt tokens a second, on a prompt that no cache has seen."""
    stats = model.generate(f"{next(_prompts)} {LONG}", **greedy(1)).stats
    return stats.prompt_tokens / stats.total_s


def batch_rate(model: CausalLMPlugin, batch: int, new_tokens: int = NEW_TOKENS) -> float:
    """New tokens a second over several prompts at once; the time for the prompts counts."""
    started = time.perf_counter()
    completions = model.generate_batch([STORY.format(i) for i in range(batch)], **greedy(new_tokens))
    return sum(len(c.token_ids) for c in completions) / (time.perf_counter() - started)


def decode_rate_at(model: CausalLMPlugin, tokens: int) -> float:
    """New tokens a second after a prompt of ``tokens`` tokens."""
    return stats_at(model, tokens).decode_tokens_per_s


def stats_at(model: CausalLMPlugin, tokens: int) -> GenerationStats:
    """Return the counts and times of a few new tokens after a prompt of ``tokens`` tokens."""
    ids = model.tokenize(LONG)
    prompt = (ids * (tokens // len(ids) + 1))[:tokens]
    return model.generate(prompt, **greedy(FEW_TOKENS)).stats


def workloads_of(model: CausalLMPlugin) -> tuple[Workload, ...]:
    """Return the workloads that a model's ``benchmarks`` package lists; empty when it has none."""
    package = type(model).__module__.rpartition(".")[0]
    return tuple(getattr(importlib.import_module(f"{package}.benchmarks"), "WORKLOADS", ()))


def greedy(tokens: int) -> dict[str, Any]:
    """Return the options of every workload: the likeliest tokens, exactly so many."""
    # The prompts hold their chat markup themselves, so that every engine gets the same text.
    return {**GREEDY, "raw": True, "max_new_tokens": tokens}


_prompts: Iterator[int] = itertools.count()
