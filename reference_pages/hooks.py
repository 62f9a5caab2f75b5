"""The hook reference, from ``inference_pio.hookspecs``: signature, meaning, example, kind, and since when."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference_pio import hookspecs

FIRST_API = "1.0"
_SINCE = re.compile(r"\s*Since host API (\d+\.\d+)\.")
_KINDS = {
    True: (
        "Decisions",
        "Asked one after another until one answers something else than `None`. An error ends the operation as a "
        "`HookError` that names plugin, distribution and hook.",
    ),
    False: (
        "Contributions",
        "All are called. An error is logged the first time and contained; the others still count.",
    ),
}


@dataclass(frozen=True)
class Hook:
    """One hook specification, taken apart.

    Attributes:
        name: Of the function.
        is_decision: Whether the first answer counts (``firstresult``).
        since: The ``HOST_API`` that brought it.
        text: The docstring without the example and the version.
        example: The example, as code.
        signature: ``(entry: WeightsEntry, cache_dir: Path) -> bool | None``.
    """

    name: str
    is_decision: bool
    since: str
    text: str
    example: str
    signature: str


def all_hooks() -> list[Hook]:
    """Return the hooks in the order of their file."""
    options = f"{hookspecs.PROJECT}_spec"  # where pluggy's marker leaves them
    return [
        _take_apart(function, getattr(function, options))
        for function in vars(hookspecs).values()
        if inspect.isfunction(function) and hasattr(function, options)
    ]


def _take_apart(function: Callable[..., Any], options: dict[str, Any]) -> Hook:
    text, _, example = inspect.cleandoc(function.__doc__ or "").partition("Example::")
    since = _SINCE.search(text)
    return Hook(
        name=function.__name__,
        is_decision=bool(options.get("firstresult")),
        since=since[1] if since else FIRST_API,
        text=_SINCE.sub("", text).strip(),
        example=textwrap.dedent(example).strip(),
        signature=str(inspect.signature(function)).replace("'", ""),
    )


def hooks_page() -> str:
    """Render all hooks: those that decide, then those that contribute."""
    hooks = all_hooks()
    parts = []
    for kind, (title, about) in _KINDS.items():
        parts += [f"## {title}", about, *(_section(hook) for hook in hooks if hook.is_decision is kind)]
    return "\n\n".join(parts)


def _section(hook: Hook) -> str:
    kind = "decision" if hook.is_decision else "contribution"
    return "\n\n".join(
        [
            f"### `{hook.name}` {{ #{hook.name} }}",
            f"*{kind}, since host API {hook.since}*",
            f"```python\n{_wrapped(hook)}\n```",
            hook.text.replace("``", "`"),
            f"```python\n{hook.example}\n```",
        ]
    )


def _wrapped(hook: Hook) -> str:
    return f"def {hook.name}{hook.signature}: ..."
