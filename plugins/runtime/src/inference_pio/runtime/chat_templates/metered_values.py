"""Operators and methods that a template may use on values, each checked before it can make something huge.

A single call such as ``'x'.ljust(10**9)`` runs in C and cannot be interrupted, so the size of its result is bounded
beforehand.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedFormatter

from .meter import MAX_BITS, MAX_WIDTH, Meter, text_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jinja2 import Environment

_TEXT_METHODS = frozenset(
    """
    capitalize casefold center count endswith expandtabs find index isalnum isalpha isascii isdecimal
    isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition
    removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip
    swapcase title upper zfill
    """.split()  # noqa: SIM905  (a list of this length is easier to read as a text)
)
_ALLOWED_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _TEXT_METHODS),
    (dict, frozenset({"copy", "get", "items", "keys", "values"})),
    (list, frozenset({"copy", "count", "index"})),
    (tuple, frozenset({"count", "index"})),
    (float, frozenset({"is_integer"})),
)


def check_method(meter: Meter, owner: Any, name: str, args: Sequence[Any]) -> None:
    """Refuse a method that templates may not use, or whose result would be too large.

    Raises:
        SecurityError: It is not one of the methods above.
        ChatTemplateError: Its result would be too large.
    """
    if not any(isinstance(owner, kind) and name in names for kind, names in _ALLOWED_METHODS):
        raise SecurityError(f"chat templates may not call {type(owner).__name__}.{name}")
    if isinstance(owner, str):
        check_widths(args)
        if name == "replace" and len(args) > 1:
            check_replace(meter, owner, args[0], args[1])
        elif name == "join" and args:
            meter.check_size(meter.weigh(args[0]) + _length(args[0]) * text_size(owner))
        elif name == "expandtabs":
            meter.check_size(len(owner) + owner.count("\t") * max([8, *(a for a in args if isinstance(a, int))]))
        elif name in ("split", "rsplit", "splitlines"):
            _check_pieces(meter, owner, args[0] if args and isinstance(args[0], str) else None)


def _check_pieces(meter: Meter, text: str, separator: str | None) -> None:
    pieces = text.count(separator) if separator else len(text) if len(text) < 10_000 else len(text.split(None, 100_000))
    meter.check_size(text_size(text) + 8 * pieces)


def check_widths(args: Sequence[Any]) -> None:
    """Refuse numbers that would be absurd widths or counts.

    Raises:
        SecurityError: One is larger than ``MAX_WIDTH``.
    """
    for arg in args:
        if isinstance(arg, int) and abs(arg) > MAX_WIDTH:
            raise SecurityError(f"chat templates may not ask for a width or count of more than {MAX_WIDTH}")


def check_replace(meter: Meter, text: str, old: Any, new: Any) -> None:
    """Refuse a replacement whose result would be too large."""
    if isinstance(old, str) and isinstance(new, str):
        meter.check_size(text_size(text) + text.count(old) * text_size(new))


def check_operator(meter: Meter, operator: str, left: Any, right: Any) -> None:
    """Refuse an operator whose result would be too large."""
    if operator == "*":
        for value, times in ((left, right), (right, left)):
            if isinstance(times, int) and isinstance(value, (str, list, tuple)):
                meter.check_size(meter.weigh(value) * max(times, 0))
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        if left.bit_length() * max(right, 0) > MAX_BITS:
            raise SecurityError(f"chat templates may not compute numbers of more than {MAX_BITS} bits")
    elif operator == "%" and isinstance(left, str):
        check_percent_format(meter, left, right)


def check_percent_format(meter: Meter, template: str, values: Any) -> None:
    """Refuse ``template % values`` when widths are absurd or the result would be too large."""
    fields = re.findall(r"%([^%a-zA-Z]*)", template)
    if any("*" in field for field in fields):
        raise SecurityError("chat templates may not use %*d")
    widths = [int(digits) for field in fields for digits in re.findall(r"\d{1,9}", field)]
    check_widths(widths)
    # A dict can be named again and again; a tuple's values come once each.
    largest = meter.weigh(values) * 6
    meter.check_size(text_size(template) + sum(widths) + largest * (len(fields) if isinstance(values, dict) else 1))


class MeteredFormat:
    """``str.format`` of one text, with attribute access through the sandbox and without absurd widths."""

    def __init__(self, environment: Environment, template: str, current_meter: Callable[[], Meter]) -> None:
        self._formatter = SandboxedFormatter(environment)
        self._template = template
        self._meter = current_meter

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """Format, as ``str.format`` does."""
        meter = self._meter()
        n_fields, widths = _format_fields(self._template)
        check_widths(widths)
        largest = max((meter.weigh(value) * 6 for value in (*args, *kwargs.values())), default=0)
        meter.check_size(text_size(self._template) + sum(widths) + n_fields * largest)
        return str(self._formatter.vformat(self._template, args, kwargs))


def _format_fields(template: str) -> tuple[int, list[int]]:
    """Return how many fields a format has, and all numbers in their specifications."""
    specs = [spec for _, name, spec, _ in string.Formatter().parse(template) if name is not None]
    if any("{" in (spec or "") for spec in specs):
        raise SecurityError("chat templates may not nest format fields")
    return len(specs), [int(digits) for spec in specs for digits in re.findall(r"\d{1,9}", spec or "")]


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0


def check_indent(meter: Meter, text: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse the ``indent`` filter when the result would be too large."""
    width = kwargs.get("width", args[0] if args else 4)
    size = text_size(width) if isinstance(width, str) else width if isinstance(width, int) else 0
    text = str(text)
    meter.check_size(text_size(text) + (text.count("\n") + 1) * max(size, 0))
