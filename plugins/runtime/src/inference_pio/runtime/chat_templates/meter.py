"""``Meter``: what one rendering may still spend. Its limits grow with the conversation, not with the template."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextvars import ContextVar
from types import MappingProxyType, MethodType
from typing import Any

from inference_pio.errors import ChatTemplateError

MAX_SECONDS = 1.0
"""Wall time of one rendering; real templates take milliseconds."""
MAX_STEPS = 1_000_000
"""Loop rounds, calls, filters, operators and outputs, and one more for every 4096 bytes they handle."""
VALUE_BYTES = 1_000_000
"""Size of any single value, beside 16 times the conversation."""
ALLOCATED_BYTES = 32_000_000
"""Size of all new values, beside 500 times the conversation: some templates build the text message by message."""
WRITTEN_BYTES = 4_000_000
"""Size of the text, beside eight times the conversation."""
MAX_WIDTH = 10_000
"""Largest number that a filter, a padding method or a format may get: widths, counts, precisions."""
MAX_BITS = 4096
"""Size of a whole number."""

METER: ContextVar[Meter] = ContextVar("chat_template_meter")
"""The meter of the rendering that runs in this thread."""


def text_size(text: str) -> int:
    """Return an upper bound of a text's size in memory, bytes; constant time."""
    return len(text) if text.isascii() else 4 * len(text)


# What is printed with everything it shows: a dict, its views, and the proxy that a view has.
_MAPPINGS: Any = (dict, MappingProxyType)
_VIEWS: Any = (type({}.keys()), type({}.values()), type({}.items()))
_CONTAINERS: Any = (list, tuple, set, frozenset, *_MAPPINGS, *_VIEWS)


class Meter:
    """Counts what a template does and stops it with ``ChatTemplateError``.

    Args:
        conversation: Everything the template gets to see: plain data.
    """

    def __init__(self, conversation: Any) -> None:
        self._weights: dict[int, tuple[Any, int]] = {}
        given = self.weigh(conversation)
        self._steps = MAX_STEPS
        self._deadline = time.monotonic() + MAX_SECONDS
        self.value_limit = VALUE_BYTES + 16 * given
        self._allocatable = ALLOCATED_BYTES + 500 * given
        self._writable = WRITTEN_BYTES + 8 * given

    def step(self, n_bytes: int = 0) -> None:
        """Count one operation on ``n_bytes`` of data."""
        self._steps -= 1 + n_bytes // 4096
        if self._steps < 0:
            raise ChatTemplateError(f"the chat template did not end within {MAX_STEPS} steps; it may be hostile")
        if time.monotonic() > self._deadline:
            raise ChatTemplateError(f"the chat template did not end within {MAX_SECONDS:g} s; it may be hostile")

    def check_size(self, n_bytes: float) -> None:
        """Refuse a value before it is made."""
        if n_bytes > self.value_limit:
            raise ChatTemplateError(
                f"the chat template makes a value of about {n_bytes:.3g} bytes; {self.value_limit} are allowed. "
                "It may be hostile"
            )

    def keep(self, value: Any) -> Any:
        """Count a new value and return it; an iterator comes back as one that counts each item."""
        if isinstance(value, str):
            weight = own = text_size(value)
        elif isinstance(value, _CONTAINERS):
            weight, own = self.weigh(value), 64 + 8 * len(value)
        elif isinstance(value, Iterator):
            self.step()
            return map(self.keep, value)
        else:
            weight = own = self.weigh(value)
        self.check_size(weight)
        self._allocatable -= own
        if self._allocatable < 0:
            raise ChatTemplateError("the chat template makes too many large values; it may be hostile")
        self.step(own)
        return value

    def write(self, value: Any) -> str:
        """Return ``value`` as text for the output."""
        text = value if isinstance(value, str) else str(value)
        self._writable -= text_size(text)
        if self._writable < 0:
            raise ChatTemplateError(
                "the chat template writes far more text than the conversation has; it may be hostile"
            )
        self.step(len(text))
        return text

    def weigh(self, value: Any) -> int:
        """Return the size of a value written out, bytes: what occurs twice in it counts twice.

        Containers are immutable to a template, so each is weighed once; keeping it alive keeps its id its own.
        """
        if isinstance(value, str):
            return text_size(value)
        if isinstance(value, bool) or value is None:
            return 1
        if isinstance(value, int):
            if value.bit_length() > MAX_BITS:
                raise ChatTemplateError(f"the chat template computes with numbers of more than {MAX_BITS} bits")
            return 8 + value.bit_length() // 3  # decimal digits
        if isinstance(value, range):
            return 8 * len(value)
        if isinstance(value, MethodType):  # printed with its owner
            return 64 + self.weigh(value.__self__)
        if not isinstance(value, _CONTAINERS):
            return 8
        known = self._weights.get(id(value))
        if known is not None:
            return known[1]
        mapping = value.mapping if isinstance(value, _VIEWS) else value
        parts = [*mapping.keys(), *mapping.values()] if isinstance(mapping, _MAPPINGS) else value
        weight = 64 + sum(8 + self.weigh(part) for part in parts)
        self._weights[id(value)] = (value, weight)
        return weight
