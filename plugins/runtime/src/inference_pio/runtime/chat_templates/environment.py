"""The jinja environment of chat templates: what transformers gives them, minus what could hurt."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime
from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateError, Undefined
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from .instrument import GenerationBlock, Instrument
from .meter import METER
from .metered_filters import metered_filters
from .metered_values import MeteredFormat, check_method, check_operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Template
    from jinja2.runtime import Context

_CALLABLE_KINDS = (BlockReference, Joiner, LoopContext, Macro, MeteredFormat, Undefined)


class TemplateRefusedError(TemplateError):
    """The template itself said no: ``raise_exception('System role not supported')``."""


class ChatNamespace(Namespace):
    """``namespace()`` without private names, and without a text that would show its content."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"chat templates may not set {name!r}")
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<namespace>"


def _raise_exception(message: object = "") -> NoReturn:
    raise TemplateRefusedError(str(message)[:1000])


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format[:1000])  # local time, as in transformers


class ChatEnvironment(ImmutableSandboxedEnvironment):
    """Counts and bounds every call and every operator."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols])
        self.filters = metered_filters()
        self.globals = {
            "range": self.globals["range"],
            "dict": dict,
            "namespace": ChatNamespace,
            "cycler": Cycler,
            "joiner": Joiner,
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
        }
        self._functions = frozenset(map(id, self.globals.values()))

    def compile_template(self, source: str) -> Template:
        """Parse, instrument and compile."""
        tree = Instrument().visit(self.parse(source))
        tree.set_environment(self)
        return self.from_string(tree)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what templates may call."""
        meter = METER.get()
        meter.step()
        is_method = isinstance(obj, (BuiltinMethodType, MethodType))
        owner = obj.__self__ if is_method and id(obj) not in self._functions else None
        if isinstance(owner, (str, dict, list, tuple, int, float)):
            if obj.__name__ == "join":  # an iterator cannot be measured before it is used up
                args = tuple(list(arg) if isinstance(arg, Iterator) else arg for arg in args)
            check_method(meter, owner, obj.__name__, (*args, *kwargs.values()))
        elif not (
            isinstance(owner, (LoopContext, Cycler)) or isinstance(obj, _CALLABLE_KINDS) or id(obj) in self._functions
        ):
            raise SecurityError(f"chat templates may not call {type(obj).__name__} objects")
        return meter.keep(super().call(context, obj, *args, **kwargs))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Refuse private names at once; jinja's own answer raises only when it is used for more than printing."""
        if attribute.startswith("_"):
            raise SecurityError(f"chat templates may not use {attribute!r}")
        return super().unsafe_undefined(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute ``left operator right``."""
        meter = METER.get()
        check_operator(meter, operator, left, right)
        return meter.keep(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Replace ``str.format``; ``format_map`` has no use in templates."""
        if isinstance(value, (BuiltinMethodType, MethodType)) and isinstance(value.__self__, str):
            if value.__name__ == "format":
                return MeteredFormat(self, str(value.__self__), METER.get)
            if value.__name__ == "format_map":
                raise SecurityError("chat templates may not call str.format_map")
        return None


@functools.cache
def chat_environment() -> ChatEnvironment:
    """Return the one environment; it has no state of its own after this."""
    return ChatEnvironment()
