"""Runs the workloads of ``inference-pio bench`` on another engine, started by ``compare_peers.py`` in its Python.

    PYTHON_OF_THE_PEER peers.py {llama.cpp,openvino} < task.json

Nothing but the standard library and the peer is imported. The task holds ``weights`` (a GGUF file), ``threads``,
``batch`` and the texts; one JSON line comes out, with the keys of ``inference-pio bench --json``.
"""

from __future__ import annotations

import importlib
import itertools
import json
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Peer(ABC):
    """An engine with a loaded model; the constructor is what ``load_s`` measures."""

    @abstractmethod
    def __init__(self, task: dict[str, Any]) -> None: ...

    @abstractmethod
    def decode(self, prompt: str, tokens: int) -> float:
        """New tokens a second without the first one."""

    @abstractmethod
    def prefill(self, prompt: str) -> float:
        """Prompt tokens a second, up to the first new one."""

    @abstractmethod
    def run_batch(self, prompts: list[str], tokens: int) -> None:
        """Continue all prompts at once."""

    @abstractmethod
    def prepare_batch(self) -> None:
        """Do what comes before the first batch and is not measured."""


class LlamaCpp(Peer):
    """llama.cpp's server in this process, as xllamacpp wraps it; a slot for each prompt of the batch."""

    def __init__(self, task: dict[str, Any]) -> None:
        xllamacpp: Any = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = task["weights"]
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = task["threads"]
        params.n_parallel, params.n_ctx = task["batch"], 1024 * task["batch"]
        self.server = xllamacpp.Server(params)

    def _complete(self, prompt: str, tokens: int) -> dict[str, Any]:
        request = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        reply = self.server.handle_completions({**request, "timings_per_token": True})
        answer: dict[str, Any] = json.loads(reply) if isinstance(reply, (str, bytes)) else reply
        return answer["timings"]  # type: ignore[no-any-return]  # parsed JSON

    def decode(self, prompt: str, tokens: int) -> float:
        """See ``Peer``."""
        return float(self._complete(prompt, tokens)["predicted_per_second"])

    def prefill(self, prompt: str) -> float:
        """See ``Peer``."""
        return float(self._complete(prompt, 1)["prompt_per_second"])

    def prepare_batch(self) -> None:
        """See ``Peer``; the slots are there."""

    def run_batch(self, prompts: list[str], tokens: int) -> None:
        """See ``Peer``."""
        with ThreadPoolExecutor(len(prompts)) as clients:
            list(clients.map(lambda prompt: self._complete(prompt, tokens), prompts))


class OpenVino(Peer):
    """OpenVINO GenAI: the plain pipeline for one sequence, the one with a scheduler for a batch."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.genai: Any = importlib.import_module("openvino_genai")
        self.task = task
        self.pipeline = self.genai.LLMPipeline(task["weights"], "CPU", INFERENCE_NUM_THREADS=task["threads"])

    def _generate(self, prompts: list[str], tokens: int) -> Any:
        config = self.genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = tokens, True, False
        return self.pipeline.generate(prompts, config).perf_metrics

    def decode(self, prompt: str, tokens: int) -> float:
        """See ``Peer``."""
        return float(self._generate([prompt], tokens).get_throughput().mean)

    def prefill(self, prompt: str) -> float:
        """See ``Peer``."""
        metrics = self._generate([prompt], 1)
        return float(metrics.get_num_input_tokens() / metrics.get_ttft().mean * 1000)

    def prepare_batch(self) -> None:
        """See ``Peer``."""
        del self.pipeline  # first: two of them would count as memory
        scheduler = self.genai.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_batched_tokens = 1, 256
        self.pipeline = self.genai.LLMPipeline(
            self.task["weights"], "CPU", scheduler_config=scheduler, INFERENCE_NUM_THREADS=self.task["threads"]
        )

    def run_batch(self, prompts: list[str], tokens: int) -> None:
        """See ``Peer``."""
        self._generate(prompts, tokens)


PEERS: dict[str, type[Peer]] = {"llama.cpp": LlamaCpp, "openvino": OpenVino}


def best(measure: Callable[[], float], rounds: int = 3) -> float:
    """Return the greatest of several runs after a warm-up, as ``inference-pio bench`` does."""
    measure()
    return max(measure() for _ in range(rounds))


def main() -> None:
    """Measure the peer that the command line names."""
    task = json.load(sys.stdin)
    new_tokens = task["new_tokens"]
    stories = [task["story"].format(number) for number in range(task["batch"])]
    fresh = itertools.count()
    started = time.perf_counter()
    peer = PEERS[sys.argv[1]](task)
    figures = {"load_s": time.perf_counter() - started}
    figures["decode_tok_s"] = best(lambda: peer.decode(task["question"], new_tokens))
    figures["prefill_tok_s"] = best(lambda: peer.prefill(f"{next(fresh)} {task['long']}"))
    peer.prepare_batch()

    def batch_rate() -> float:
        before = time.perf_counter()
        peer.run_batch(stories, new_tokens)
        return float(len(stories) * new_tokens) / (time.perf_counter() - before)

    figures["batch_tok_s"] = best(batch_rate)
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peer": sys.argv[1], **{key: round(value, 3) for key, value in figures.items()}}))


if __name__ == "__main__":
    main()
