"""The load phase of one plugin: import, factory, check of the object. All or nothing."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

from . import settings
from .errors import PluginLoadError, describe_error
from .installed import HOOKS_GROUP, MODELS_GROUP, EntryPointRef
from .interfaces import ModelPlugin
from .manifest_rules import parsed_requirement
from .names import canonical_name
from .records import PluginRecord
from .stdout_guard import stdout_to_stderr

logger = logging.getLogger(__name__)

SLOW_IMPORT_S = 1.0
"""Seconds after which an import is worth a warning: heavy imports belong into functions."""

IMPATIENT_S = 15.0
"""Seconds after which a plugin that is still loading is named."""

REQUIRED_MEMBERS = (*sorted(ModelPlugin.__abstractmethods__), "__enter__", "__exit__")


def load_plugin(record: PluginRecord) -> ModelPlugin:
    """Import a model plugin, call its factory and check what comes back.

    Raises:
        PluginLoadError: Any of it failed. With ``INFERENCE_PIO_STRICT=1`` the original error.
    """
    before = set(sys.modules)
    try:
        plugin = _make(record)
        _check(plugin, record)
    except BaseException:
        _forget(record, before)
        raise
    return cast("ModelPlugin", plugin)


def _make(record: PluginRecord) -> object:
    factory = load_entry_point(record, MODELS_GROUP)
    try:
        with stdout_to_stderr(), _patience(record):
            return factory()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if settings.is_strict():
            raise
        name = EntryPointRef(MODELS_GROUP, record.name, record.entry_point).attribute
        raise _load_error(record, f"failed in its factory {name}(): {describe_error(error)}") from error


def _forget(record: PluginRecord, before: set[str]) -> None:
    """Take a failed plugin's own new modules out of ``sys.modules``; what it imported from elsewhere stays."""
    package = EntryPointRef(MODELS_GROUP, record.name, record.entry_point).module.rpartition(".")[0]
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        if name not in before:
            del sys.modules[name]


def load_entry_point(record: PluginRecord, group: str) -> Any:
    """Import what a record's entry point names; for an entry point without an attribute that is the module.

    Raises:
        PluginLoadError: The import failed, or there is no such attribute. With ``INFERENCE_PIO_STRICT=1`` the original.
    """
    reference = EntryPointRef(group, record.name, record.entry_point)
    started = time.perf_counter()
    try:
        with stdout_to_stderr(), _patience(record):
            found: Any = importlib.import_module(reference.module)
            for name in reference.attribute.split(".") if reference.attribute else ():
                found = getattr(found, name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if settings.is_strict():
            raise
        raise _import_error(record, reference, error) from error
    seconds = time.perf_counter() - started
    if seconds > SLOW_IMPORT_S:
        logger.warning(
            "plugin %r (%s) took %.1f s to import; imports that heavy belong into functions",
            record.name, record.dist, seconds,
        )  # fmt: skip
    return found


@contextlib.contextmanager
def _patience(record: PluginRecord) -> Iterator[None]:
    """Say whose code is running when it takes long: it cannot be stopped from here, but the user can."""
    timer = threading.Timer(
        IMPATIENT_S,
        logger.warning,
        (
            "plugin %r (%s) has been loading for %g s; Ctrl-C stops it. Where it is: inference-pio check %s --import",
            record.name, record.dist, IMPATIENT_S, record.name,
        ),
    )  # fmt: skip
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_hooks(record: PluginRecord) -> object:
    """Import what a hook plugin's entry point names.

    Raises:
        PluginLoadError: It failed.
    """
    return load_entry_point(record, HOOKS_GROUP)


def _import_error(record: PluginRecord, reference: EntryPointRef, error: BaseException) -> PluginLoadError:
    if isinstance(error, AttributeError) and getattr(error, "name", None) in reference.attribute.split("."):
        return _load_error(record, f"has no {reference.attribute!r} in {reference.module}, which its entry point names")
    return _load_error(record, f"failed to import: {describe_error(error)}", _advice(record, reference, error))


def _advice(record: PluginRecord, reference: EntryPointRef, error: BaseException) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if not missing:
        return _report_to(record)
    if f"{reference.module}.".startswith(f"{missing}."):
        return f"Its files are incomplete: pip install --force-reinstall --no-deps {record.dist_name}"
    match missing.split("."):
        case ["inference_pio", "models", model, *_]:
            return f"Install or update it: pip install -U inference-pio-{canonical_name(model)}"
        case ["inference_pio", "models"]:  # the folder that model plugins share, so it comes with the first of them
            return "It builds on another model, and none is installed: see inference-pio-… in its requirements"
        case ["inference_pio", "runtime", *_]:
            return "Install or update it: pip install -U inference-pio-runtime"
        case ["inference_pio", *_]:
            return "Update the host: pip install -U inference-pio"
        case [top, *_] if (dist := canonical_name(top)) in _dependencies(record):
            return f"Install it: pip install {dist}"
    return f"Install the distribution that provides {missing.partition('.')[0]!r}"


def _dependencies(record: PluginRecord) -> set[str]:
    texts = record.manifest.dependencies if record.manifest else []
    return {canonical_name(parsed_requirement(text).name) for text in texts}


def _check(plugin: object, record: PluginRecord) -> None:
    """Check an object against ``ModelPlugin`` by its members, so that a plugin need not inherit from it."""
    assert record.manifest is not None, "only plugins with a manifest are loaded"
    expected = record.manifest.entry_point.class_name
    if type(plugin).__name__ != expected:
        raise _load_error(
            record,
            f"has a factory that returns a {type(plugin).__name__}, its manifest promises class {expected!r}",
        )
    kind = type(plugin)
    missing = [name for name in REQUIRED_MEMBERS if not callable(getattr(kind, name, None))]
    if inspect.getattr_static(plugin, "manifest", None) is None:
        missing.append("manifest")
    if missing:
        raise _load_error(record, f"lacks members of ModelPlugin: {', '.join(missing)}")
    if isinstance(inspect.getattr_static(kind, "manifest", None), functools.cached_property):
        # What the index read is not read again, and may lie where the class would not look.
        vars(plugin)["manifest"] = record.manifest
    try:
        plugin.name = record.name  # type: ignore[attr-defined]  # checked here, by trying
    except Exception as error:  # a setter of the plugin's may raise anything
        raise _load_error(record, f"does not let its name be set: {error}") from error


def _load_error(record: PluginRecord, message: str, fix: str = "") -> PluginLoadError:
    return PluginLoadError(message, plugin=record.name, dist=record.dist, fix=fix or _report_to(record))


def _report_to(record: PluginRecord) -> str:
    return f"Tell its author, or try a newer one: pip install -U {record.dist_name}"
