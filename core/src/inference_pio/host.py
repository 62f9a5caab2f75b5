"""``Host``: the one object that knows the installed plugins, loads them, and calls hooks."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import settings
from .discovery import Index, build_index, unlisted_distribution
from .errors import (
    InferencePioError,
    InvalidOptionError,
    ManifestError,
    PluginError,
    PluginLoadError,
    PluginUnavailableError,
    UnknownPluginError,
    describe_error,
)
from .gates import MEMORY
from .generation import LoadOptions
from .hooks import HookCaller
from .host_state import LOADING, HostState, PluginKey, PluginKind
from .loading import load_hooks, load_plugin
from .names import canonical_name, nearest_names
from .quarantine import FailureBook, attempt, count_the_dead
from .records import PluginRecord, PluginState, Reason
from .weights_choice import fetch_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from .generation import ProgressCallback
    from .interfaces import ModelPlugin

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Host:
    """The installed plugins. Indexes once, at the first question; loads a plugin when asked for it by name.

    Safe to use from several threads: indexing and loading take turns.

    Args:
        index: A ready index; default: what is installed.
    """

    def __init__(self, index: Index | None = None) -> None:
        self._lock = threading.RLock()
        self._given = index
        self._plugins: dict[str, ModelPlugin] = {}
        # Keys are ("model" or "hooks", name).
        self._failures: dict[tuple[str, str], PluginLoadError] = {}
        self._loaded: set[tuple[str, str]] = set()
        # Names of plugins whose first object carries a model, or did.
        self._handed_out: set[str] = set()
        self._book = FailureBook()
        self.hooks = HookCaller(self._load_hook_plugins, lock=self._lock, book=self._book)

    @property
    def state(self) -> HostState:
        """What is remembered between processes: switches, and failures."""
        return self._book.state

    def close(self) -> None:
        """Tell the loaded plugins that it is over (``pio_shutdown``); one that hangs is left behind after a while."""
        self.hooks.shutdown()

    # Index phase

    def records(self) -> tuple[PluginRecord, ...]:
        """Return all model plugins by name, with the states that loading has given them since."""
        with self._lock:
            return tuple(self._current(record, "model") for record in self.index.models)

    def hook_plugins(self) -> tuple[PluginRecord, ...]:
        """Return all plugins that bring hooks only, by name."""
        with self._lock:
            return tuple(self._current(record, "hooks") for record in self.index.hooks)

    def record(self, name: str) -> PluginRecord:
        """Return one model plugin; any spelling of its name will do.

        Raises:
            UnknownPluginError: There is none.
        """
        records = self.records()
        wanted = canonical_name(name)
        for record in records:
            if record.name == wanted:
                return record
        if any(record.name == wanted for record in self.hook_plugins()):
            hint = f"It is a plugin of hooks, which are called while models run: inference-pio info {wanted}"
            raise UnknownPluginError(name, hint=hint, wanted="model")
        names = [record.name for record in records]
        raise UnknownPluginError(name, nearest=nearest_names(wanted, names), installed=bool(names))

    def named(self, name: str) -> tuple[tuple[PluginKind, PluginRecord], ...]:
        """Return every plugin of a name, models before hooks; the name of a distribution means all that it ships.

        Raises:
            UnknownPluginError: There is none.
        """
        everybody: list[tuple[PluginKind, PluginRecord]] = [("model", record) for record in self.records()]
        everybody += [("hooks", record) for record in self.hook_plugins()]
        wanted = canonical_name(name)
        found = [(kind, record) for kind, record in everybody if record.name == wanted]
        found = found or [(kind, record) for kind, record in everybody if record.dist_name == wanted]
        if not found:
            names = sorted({known for _, record in everybody for known in (record.name, record.dist_name)})
            raise UnknownPluginError(
                name,
                nearest=nearest_names(wanted, names),
                installed=bool(names),
                hint=unlisted_distribution(self.index, wanted),
            )
        return tuple(found)

    def require_usable(self, name: str, *, force: bool = False) -> PluginRecord:
        """Return one model plugin's record if its code may run here; imports nothing.

        Args:
            name: Of the plugin.
            force: Go on although there seems to be too little memory.

        Raises:
            UnknownPluginError: There is none of this name.
            ManifestError: The plugin is defective.
            PluginUnavailableError: It cannot be used here.
            PluginLoadError: Its code failed earlier in this process.
        """
        with self._lock:
            record = self.record(name)
            self._raise_failure(record)
            _require_usable(record, force=force)
            return record

    @property
    def index(self) -> Index:
        """What is installed, as found the first time anybody asked."""
        with self._lock:
            if self._given is None:
                started = time.perf_counter()
                count_the_dead(self.state)
                self._given = build_index(remembered=self.state.read())
                seconds = time.perf_counter() - started
                logger.debug("indexed %d models in %.3f s", len(self._given.models), seconds)
                for unknown in self._given.unknown_names:
                    logger.warning("%s", unknown)
            return self._given

    # Load phase

    def plugin(self, name: str, *, force: bool = False) -> ModelPlugin:
        """Return a model plugin's object, importing it the first time. Loads no weights.

        Args:
            name: Of the plugin.
            force: Go on although there seems to be too little memory.

        Raises:
            UnknownPluginError: There is none of this name.
            ManifestError: The plugin is defective.
            PluginUnavailableError: It cannot be used here.
            PluginLoadError: Its code failed, now or earlier in this process.
        """
        with self._lock:
            loaded = self._plugins.get(canonical_name(name))
            if loaded is not None:
                return loaded
            record = self.require_usable(name, force=force)
            self._plugins[record.name] = plugin = self._first_load("model", record, load_plugin)
            return plugin

    def load(
        self,
        name: str,
        options: LoadOptions | None = None,
        *,
        force: bool = False,
        prepare: Callable[[ModelPlugin], None] | None = None,
    ) -> ModelPlugin:
        """Return a model that is ready to use. Each call returns an object of its own: two checkpoints can run at once.

        Args:
            name: Of the plugin.
            options: How to load; default: ``LoadOptions()``.
            force: Go on although there seems to be too little memory.
            prepare: Gets the object before it loads its weights, for what it offers beyond ``LoadOptions``.

        Raises:
            InferencePioError: See ``plugin``; also everything about weights.
        """
        plugin = self._unused_plugin(name, force=force)
        started = time.perf_counter()
        try:
            if prepare is not None:
                prepare(plugin)
            plugin.load_model(options or LoadOptions(), self.hooks)
        except BaseException as error:
            _clean_up(plugin)
            is_foreign = not isinstance(error, (InferencePioError, KeyboardInterrupt))
            if settings.is_strict() or not is_foreign:
                raise
            record = self.record(name)
            raise PluginError(
                f"failed to load its model: {describe_error(error)}",
                plugin=record.name,
                dist=record.dist,
                fix=f"Tell its author, or try a newer one: pip install -U {record.dist_name}",
            ) from error
        logger.info("loaded %r in %.2f s", plugin.name, time.perf_counter() - started)
        return plugin

    def pull(
        self,
        name: str,
        weights: str | None = None,
        *,
        accept_license: bool = False,
        offline: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Path:
        """Fetch a model's weights without importing the model, and return where they are.

        Works for a plugin that does not fit this machine: the weights may be meant for another.

        Args:
            name: Of the plugin.
            weights: An id of the manifest, a path or a source; default: the manifest's default.
            accept_license: The user agrees to the weights' terms.
            offline: Never touch the network.
            progress: Called while bytes arrive.

        Raises:
            InferencePioError: No such plugin or weights, no consent, or the download failed.
        """
        record = self.record(name)
        if record.state in (PluginState.DISABLED, PluginState.INVALID) or record.manifest is None:
            _require_usable(record)
        assert record.manifest is not None, "a plugin without a manifest is not usable"
        options = LoadOptions(weights=weights, accept_license=accept_license, offline=offline, progress=progress)
        return fetch_weights(self.hooks, record.name, record.manifest, options)

    # Inside

    def _first_load(self, kind: PluginKind, record: PluginRecord, load: Callable[[PluginRecord], T]) -> T:
        """Load a plugin's object and register its hooks: all or nothing, and a failure is remembered."""
        key = PluginKey.of(kind, record)
        try:
            with attempt(self.state, key):
                plugin = load(record)
                self.hooks.register(plugin, record.name, dist=record.dist, kind=kind, key=key)
        except PluginLoadError as error:
            self._failures[kind, record.name] = error
            if not self._is_incomplete(record):
                self._book.failed(key, LOADING, error)
            raise
        self._loaded.add((kind, record.name))
        self._book.worked(key, LOADING)
        return plugin

    def _is_incomplete(self, record: PluginRecord) -> bool:
        """Whether a plugin lacks what it asks for: then its failure is none of its own, and ends without an upgrade."""
        # Only needed when something has failed.
        from .unmet_requirements import unmet_requirements

        dist = self.index.installed.dists.get(record.dist_name)
        return dist is not None and any(unmet_requirements(dist, self.index.installed))

    def _unused_plugin(self, name: str, *, force: bool) -> ModelPlugin:
        with self._lock:
            plugin = self.plugin(name, force=force)
            if plugin.name in self._handed_out:
                return load_plugin(self.record(name))
            self._handed_out.add(plugin.name)
            return plugin

    def _current(self, record: PluginRecord, kind: str) -> PluginRecord:
        if record.state is PluginState.DISABLED:
            return record  # what happened under its name happened to another owner of it
        failure = self._failures.get((kind, record.name))
        if failure is not None:
            return dataclasses.replace(
                record, state=PluginState.FAILED, reasons=(Reason("load-failed", failure.detail, failure.fix),)
            )
        if (kind, record.name) in self._loaded:
            return dataclasses.replace(record, state=PluginState.LOADED)
        return record

    def _raise_failure(self, record: PluginRecord) -> None:
        failure = self._failures.get(("model", record.name))
        if failure is not None:
            # A new object each time: raising one again and again would grow its traceback.
            raise PluginLoadError(
                failure.detail, plugin=record.name, dist=record.dist, fix=failure.fix
            ) from failure.__cause__

    def _load_hook_plugins(self, _hooks: HookCaller) -> list[str]:
        unusable = []
        # The last one registered is asked first; backwards, so that calls go by name.
        for record in reversed(self.index.hooks):
            if record.state is not PluginState.READY:
                unusable.append(f"{record.name} ({record.dist}) {record.explanation}")
                continue
            if ("hooks", record.name) in self._loaded:  # by an attempt that was interrupted
                continue
            failure = self._failures.get(("hooks", record.name))
            if failure is not None:
                unusable.append(str(failure))
                continue
            try:
                self._first_load("hooks", record, load_hooks)
            except PluginLoadError as error:
                unusable.append(str(error))
                logger.warning("%s", error)
        return unusable


@functools.lru_cache(maxsize=1)
def default_host() -> Host:
    """Return the host that ``inference_pio.load`` and the command line use."""
    host = Host()
    # Programs end in many ways; the command line closes it earlier, and closing twice is harmless.
    atexit.register(host.close)
    return host


def load(name: str, *, force: bool = False, **load_options: Any) -> ModelPlugin:
    """Load a model of the default host and return it ready to use; it is a context manager.

    Args:
        name: Of the plugin, for example ``smollm2``.
        force: Go on although there seems to be too little memory.
        load_options: Fields of ``LoadOptions``.

    Raises:
        InvalidOptionError: There is no such option.
        InferencePioError: See ``Host.load``.
    """
    known = [field.name for field in dataclasses.fields(LoadOptions)]
    for option in load_options:
        if option not in known:
            near = nearest_names(option, known, limit=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}"
            raise InvalidOptionError(f"load() has no option {option!r}. {hint}")
    return default_host().load(name, LoadOptions(**load_options), force=force)


def _require_usable(record: PluginRecord, *, force: bool = False) -> None:
    if record.is_usable:
        return
    if record.state is PluginState.INVALID:
        raise ManifestError(record.explanation, plugin=record.name, dist=record.dist)
    if force and all(reason.code == MEMORY for reason in record.reasons):
        logger.warning("plugin %r: %s; going on all the same", record.name, record.explanation)
        return
    raise PluginUnavailableError(f"plugin {record.name!r} ({record.dist}) cannot be used here: {record.explanation}")


def _clean_up(plugin: ModelPlugin) -> None:
    try:
        plugin.cleanup()
    except (Exception, SystemExit):  # the error that led here is the one to show
        logger.debug("cleanup of %r failed", plugin.name, exc_info=True)
