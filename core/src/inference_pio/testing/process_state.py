"""What a whole process shares, as values that can be compared: importing a plugin must leave all of it alone."""

from __future__ import annotations

import builtins
import gc
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

State = dict[str, dict[str, Any]]
"""Kind of thing to name to value."""


def take_state() -> State:
    """Return the state of this process. Looks at numpy and torch only where they are imported already."""
    return {
        "environment variable": dict(os.environ),
        "signal handler": {signal.Signals(number).name: signal.getsignal(number) for number in _signals()},
        "logger": dict(_loggers()),
        "thread": {f"{thread.name} ({thread.ident})": True for thread in threading.enumerate()},
        "": {name: look() for name, look in _LOOKS.items()},
        "numpy": _numpy(),
        "torch": _torch(),
    }


def changes(before: State, after: State) -> list[str]:
    """Say what differs, one line a thing; values are shown only of what cannot be a secret."""
    found = []
    for kind, old in before.items():
        new = after[kind]
        may_be_new = kind in ("environment variable", "thread")
        for name in [*old, *(name for name in new if name not in old and may_be_new)]:
            what = f"{kind} {name}".strip()
            if name not in new:
                found.append(f"{what} was removed")
            elif name not in old:
                found.append(f"{what} was added")
            elif not _is_same(old[name], new[name]):
                found.append(f"{what} was changed{_shown(kind, old[name], new[name])}")
    return found


def _is_same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and bool(old == new))


def _shown(kind: str, old: Any, new: Any) -> str:
    if kind == "environment variable":
        return ""
    if isinstance(old, list) and isinstance(new, list):
        added, removed = ([item for item in one if item not in other] for one, other in ((new, old), (old, new)))
        parts = [f"{word} {items}" for word, items in (("added", added), ("removed", removed)) if items]
        return f": {'; '.join(parts) or 'another order'}"[:300]
    return f" from {old!r} to {new!r}" if isinstance(old, (str, int, float)) else ""


def _signals() -> Iterable[int]:
    return sorted(signal.valid_signals() & set(signal.Signals))


def _loggers() -> Iterable[tuple[str, tuple[int, bool, list[logging.Handler]]]]:
    # Those that exist: a logger that the plugin makes is its own business.
    for name, logger in [("root", logging.getLogger()), *logging.root.manager.loggerDict.items()]:
        if isinstance(logger, logging.Logger):
            yield name, (logger.level, logger.disabled, list(logger.handlers))


_LOOKS: dict[str, Callable[[], Any]] = {
    "the working folder": os.getcwd,
    "sys.path": lambda: list(sys.path),
    "sys.meta_path": lambda: [type(finder) if not isinstance(finder, type) else finder for finder in sys.meta_path],
    "sys.path_hooks": lambda: list(sys.path_hooks),
    "sys.stdout": lambda: sys.stdout,
    "sys.stderr": lambda: sys.stderr,
    "sys.excepthook": lambda: sys.excepthook,
    "threading.excepthook": lambda: threading.excepthook,
    "the recursion limit": sys.getrecursionlimit,
    "the names of builtins": lambda: sorted(vars(builtins)),
    "the garbage collector": lambda: (gc.isenabled(), gc.get_threshold()),
    "warnings.filters": lambda: list(warnings.filters),
    "warnings.showwarning": lambda: warnings.showwarning,
    "logging.disable": lambda: logging.root.manager.disable,
    "the class of loggers": logging.getLoggerClass,
    "the locale": lambda: locale.setlocale(locale.LC_ALL),
    "the time zone": lambda: time.tzname,
    "the default timeout of sockets": socket.getdefaulttimeout,
    "the state of random": random.getstate,
}


def _numpy() -> dict[str, Any]:
    legacy = sys.modules.get("numpy.random")
    numpy = sys.modules.get("numpy")
    found: dict[str, Any] = {}
    if legacy is not None and hasattr(legacy, "get_state"):
        kind, keys, *rest = legacy.get_state()
        found["random state"] = (kind, keys.tobytes(), *rest)
    if numpy is not None and hasattr(numpy, "geterr"):
        found["floating point errors"] = numpy.geterr()
        found["print options"] = repr(numpy.get_printoptions())
    return found


def _torch() -> dict[str, Any]:
    torch: Any = sys.modules.get("torch")
    found: dict[str, Any] = {}
    for name in ("get_default_dtype", "get_num_threads", "is_grad_enabled", "are_deterministic_algorithms_enabled"):
        if hasattr(torch, name):
            found[name] = getattr(torch, name)()
    if hasattr(torch, "get_rng_state"):
        found["random state"] = torch.get_rng_state().numpy().tobytes()
    return found
