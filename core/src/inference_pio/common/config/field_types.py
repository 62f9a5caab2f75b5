"""Types of a configuration's fields, and whether a value is of one."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import logging
import typing
from types import SimpleNamespace
from typing import Any

logger = logging.getLogger(__name__)


@functools.cache
def field_types(config: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass.

    A field whose annotation cannot be evaluated is left out, and so is not checked: a name that its module imports for
    type checkers only is no reason to refuse a checkpoint.
    """
    fields = {f.name for f in dataclasses.fields(config)}
    try:
        hints = typing.get_type_hints(config)
    except (NameError, AttributeError, TypeError, SyntaxError):
        hints = _one_by_one(config)
    return {name: hint for name, hint in hints.items() if name in fields}


def _one_by_one(config: type) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for owner in reversed(config.__mro__):
        names = vars(inspect.getmodule(owner) or object)
        for name, annotation in inspect.get_annotations(owner).items():
            hints.pop(name, None)
            try:
                hints |= typing.get_type_hints(SimpleNamespace(__annotations__={name: annotation}), dict(names))
            except (NameError, AttributeError, TypeError, SyntaxError) as error:
                logger.debug("%s.%s is not checked: %s", config.__name__, name, error)
    return hints


def checked_value(value: Any, kind: Any) -> Any:
    """Return a value in a field's type, converted where nothing is lost.

    Raises:
        ValueError: It is of another type, or is not a number.
    """
    # Here, so that `import inference_pio` and a plain class definition cost nothing.
    import msgspec

    try:
        converted = msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except TypeError as error:
        # A type that msgspec does not know, such as a union of two kinds of list: nothing to check it with.
        logger.debug("a field of type %s is not checked: %s", kind, error)
        return value
    if isinstance(converted, float) and converted != converted:
        raise ValueError("not a number")
    return converted
