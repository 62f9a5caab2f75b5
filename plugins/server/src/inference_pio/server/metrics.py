"""``ServerMetrics``: what ``/metrics`` tells Prometheus, in a registry of its own.

Names are ``inference_pio_…`` with their unit, as Prometheus wants them. No label has a value that a client chooses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from inference_pio.generation import GenerationStats

    from .model_pool import ModelPool, Place
    from .request_record import RequestRecord

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_TOKEN_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_COUNTS = {
    "prompt_tokens": ("prompt_tokens", "Tokens of prompts, computed or found in the prefix cache"),
    "cached_tokens": ("prompt_cached_tokens", "Tokens of prompts that were found in the prefix cache"),
    "new_tokens": ("generated_tokens", "Tokens generated"),
    "steps": ("engine_steps", "Steps of the engine"),
    "step_tokens": ("engine_step_tokens", "Tokens computed in steps; divided by the steps: the mean batch"),
    "preemptions": ("preemptions", "Requests that gave their memory to others and were computed again"),
}
_GAUGES = {
    "running": ("requests_running", "Requests that are being computed"),
    "waiting": ("requests_waiting", "Requests in the queue"),
    "waiting_tokens": ("waiting_tokens", "Tokens of prompts in the queue"),
    "cache_bytes": ("kv_cache_bytes", "Bytes of keys and values"),
    "prefix_cache_bytes": ("prefix_cache_bytes", "Bytes of keys and values that are kept for prompts to come"),
    "is_alive": ("engine_alive", "1 while the engine computes, 0 when it has ended by an error"),
}


class ServerMetrics:
    """Figures of one server.

    Args:
        pool: Whose models are told about; asked at each look.
    """

    def __init__(self, pool: ModelPool) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Models(pool))
        self._requests = Counter(
            "inference_pio_requests", "Requests answered", ("method", "path", "status"), registry=self.registry
        )
        self._durations = Histogram(
            "inference_pio_request_duration_seconds",
            "From the first byte of a request to the last of its answer",
            ("path", "status"),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._rejected = Counter(
            "inference_pio_requests_rejected", "Requests turned away", ("reason",), registry=self.registry
        )
        self._first_token = Histogram(
            "inference_pio_time_to_first_token_seconds",
            "From the queue to the first token",
            ("model",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._each_token = Histogram(
            "inference_pio_time_per_output_token_seconds",
            "Mean of an answer, the first token left out",
            ("model",),
            registry=self.registry,
            buckets=_TOKEN_SECONDS,
        )
        self._in_flight = Gauge("inference_pio_http_requests_in_flight", "Requests under way", registry=self.registry)
        self._gone = Counter(
            "inference_pio_requests_aborted", "Requests whose client went before the end", registry=self.registry
        )

    def began(self) -> None:
        """Count a request that has come."""
        self._in_flight.inc()

    def ended(self, record: RequestRecord) -> None:
        """Take a request into account that has been answered, or whose client has gone."""
        self._in_flight.dec()
        method, status = record.method if record.method in _METHODS else "other", str(record.status)
        self._requests.labels(method, record.route, status).inc()
        self._durations.labels(record.route, status).observe(time.perf_counter() - record.started_s)
        if record.outcome == "client_gone":
            self._gone.inc()

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away.

        Args:
            reason: From a fixed list: a code of ``ApiError``.
        """
        self._rejected.labels(reason).inc()

    def answered(self, model: str, stats: GenerationStats) -> None:
        """Take the times of one answer into account."""
        self._first_token.labels(model).observe(stats.first_token_s)
        if stats.new_tokens > 1:
            self._each_token.labels(model).observe((stats.total_s - stats.first_token_s) / (stats.new_tokens - 1))

    def render(self) -> bytes:
        """Return the figures as Prometheus reads them."""
        return generate_latest(self.registry)


class _Models(Collector):
    """Asks the models when somebody looks, so that nothing is counted twice."""

    def __init__(self, pool: ModelPool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each figure."""
        figures = {name: place.figures for name, place in self._pool.places.items()}
        for key, (name, text) in _COUNTS.items():
            yield _family(CounterMetricFamily(f"inference_pio_{name}", text, labels=["model"]), figures, key)
        for key, (name, text) in _GAUGES.items():
            yield _family(GaugeMetricFamily(f"inference_pio_{name}", text, labels=["model"]), figures, key)
        yield from _loading(self._pool.places)


def _family(
    family: CounterMetricFamily | GaugeMetricFamily, figures: Mapping[str, Mapping[str, float]], key: str
) -> Metric:
    for model, known in figures.items():
        if key in known:
            family.add_metric([model], known[key])
    return family


def _loading(places: Mapping[str, Place]) -> Iterator[Metric]:
    loaded = GaugeMetricFamily("inference_pio_model_loaded", "1 while the model is in memory", labels=["model"])
    loads = CounterMetricFamily("inference_pio_model_loads", "How often the model was loaded", labels=["model"])
    failures = CounterMetricFamily("inference_pio_model_load_failures", "How often that failed", labels=["model"])
    for name, place in places.items():
        loaded.add_metric([name], float(place.model is not None))
        loads.add_metric([name], place.loads)
        failures.add_metric([name], place.failures)
    yield from (loaded, loads, failures)
