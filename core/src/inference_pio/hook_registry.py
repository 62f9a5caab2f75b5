"""Who implements which hook: a thin layer over pluggy that registers a plugin wholly or not at all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from . import hookspecs
from .errors import PluginLoadError
from .host_state import PluginKey
from .names import nearest_names

HOOK_PREFIX = "pio_"

_Owner = tuple[str, str | None, PluginKey | None]


@dataclass(frozen=True)
class Implementation:
    """One function of one plugin that implements one hook.

    Attributes:
        hook: Name of the hook.
        plugin: Name of the plugin, for messages.
        dist: Distribution and version, for messages.
        key: Of the installed plugin; ``None`` for what a program registered by hand.
        function: What to call.
        parameters: The arguments it asks for, a subset of the hook's.
    """

    hook: str
    plugin: str
    dist: str | None
    key: PluginKey | None
    function: Callable[..., Any]
    parameters: tuple[str, ...]

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with those of ``arguments`` that it asks for."""
        return self.function(*(arguments[name] for name in self.parameters))


class HookRegistry:
    """Hook implementations by plugin."""

    def __init__(self) -> None:
        self._manager = _new_manager()
        self._owners: dict[str, _Owner] = {}

    def register(
        self, plugin: object, name: str, dist: str | None = None, kind: str = "", owner: PluginKey | None = None
    ) -> None:
        """Add a plugin's implementations.

        Raises:
            PluginLoadError: An implementation does not fit, or the name is taken; nothing was added.
        """
        hooks = _marked_functions(plugin)
        key = f"{kind}:{name}:{dist or ''}"
        try:
            if self._manager.has_plugin(key):
                raise ValueError("it is registered already")
            _rehearse(hooks)
            self._add(hooks, key, (name, dist, owner))
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginLoadError(f"has hooks that do not fit: {error}", plugin=name, dist=dist) from error

    def _add(self, hooks: _Functions, key: str, owner: _Owner) -> None:
        self._owners[key] = owner  # first: another thread may be reading
        try:
            self._manager.register(hooks, key)
        except BaseException:
            del self._owners[key]
            raise

    def implementations(self, hook: str) -> Iterator[Implementation]:
        """Yield the implementations of a hook in calling order: last registered first, ``tryfirst`` before all."""
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        for found in reversed(caller.get_hookimpls()):
            name, dist, owner = self._owners[found.plugin_name]
            yield Implementation(hook, name, dist, owner, found.function, tuple(found.argnames))


class _Functions:
    """Holds hook functions as attributes. Compared by identity: pluggy refuses equal plugins."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        vars(self).update(functions)


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _marked_functions(plugin: object) -> _Functions:
    """Return the functions of a module or object that carry the ``hookimpl`` marker.

    Looked up without evaluating properties: reading one of a model that is not loaded yet raises.
    """
    marker = f"{hookspecs.PROJECT}_impl"
    names = [n for n in dir(plugin) if getattr(_unbound(plugin, n), marker, None) is not None]
    return _Functions({name: getattr(plugin, name) for name in names})


def _unbound(plugin: object, name: str) -> object:
    found = inspect.getattr_static(plugin, name, None)
    return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found


def _rehearse(hooks: _Functions) -> None:
    """Register in a manager that is thrown away, so that the real one never holds half a plugin."""
    manager = _new_manager()
    known = {hook for hook in vars(manager.hook) if hook.startswith(HOOK_PREFIX)}
    try:
        manager.register(hooks, "rehearsal")
    except pluggy.PluginValidationError as error:
        raise ValueError(_misfit(manager, hooks) or str(error)) from error
    for caller, implementation in _pairs(manager, hooks):
        if implementation.hookwrapper or implementation.wrapper:
            raise ValueError(f"{caller.name} is a wrapper; hooks are called one by one, so there is nothing to wrap")
        if not caller.has_spec() and not implementation.optionalhook:
            near = nearest_names(caller.name, known, limit=1)
            raise ValueError(f"there is no hook {caller.name}" + (f"; did you mean {near[0]}?" if near else ""))


def _misfit(manager: pluggy.PluginManager, hooks: _Functions) -> str | None:
    """Say in the author's words which argument no hook has; ``None`` where something else is wrong."""
    for name, function in vars(hooks).items():
        caller = getattr(manager.hook, name, None)
        if caller is None or caller.spec is None:
            continue
        known = caller.spec.argnames
        asked = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        unknown = [argument for argument in asked if argument not in known]
        if unknown:
            return f"{name} asks for {', '.join(unknown)}; the hook has {', '.join(known) or 'no arguments'}"
    return None


def _pairs(manager: pluggy.PluginManager, hooks: _Functions) -> Iterator[tuple[pluggy.HookCaller, pluggy.HookImpl]]:
    for caller in manager.get_hookcallers(hooks) or ():
        for implementation in caller.get_hookimpls():
            yield caller, implementation
