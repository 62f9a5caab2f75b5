"""What the environment decides: every variable that inference-pio reads, in one place."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .names import canonical_name

PREFIX = "INFERENCE_PIO_"


def cache_dir() -> Path:
    """Folder for downloaded weights: ``INFERENCE_PIO_CACHE_DIR``, else the user's cache folder. It need not exist."""
    given = os.environ.get(f"{PREFIX}CACHE_DIR", "").strip()
    if given:
        return Path(given).expanduser()
    # Only asked for when needed: most commands touch no cache.
    import platformdirs

    return Path(platformdirs.user_cache_dir("inference-pio", appauthor=False))


def state_dir() -> Path:
    """Folder for what the host remembers: ``INFERENCE_PIO_STATE_DIR``, else the user's. It need not exist."""
    given = os.environ.get(f"{PREFIX}STATE_DIR", "").strip()
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_state_dir("inference-pio", appauthor=False))


def environment_dir() -> Path:
    """The part of ``state_dir`` that belongs to this Python environment: what holds here need not hold in another."""
    # Imported where used: completing a word in the shell needs no hash.
    import hashlib

    # The prefix as it is called, not resolved: two virtual environments may be links to one interpreter.
    digest = hashlib.sha256(str(Path(sys.prefix)).encode(errors="surrogateescape")).hexdigest()[:12]
    return state_dir() / "environments" / f"{Path(sys.prefix).name}-{digest}"


def is_strict() -> bool:
    """Whether plugins' errors are raised as they are, neither wrapped nor contained (``INFERENCE_PIO_STRICT=1``)."""
    return _flag("STRICT")


def accept_license_default() -> bool:
    """Whether the user agreed to weights' terms for all commands (``INFERENCE_PIO_ACCEPT_LICENSE=1``)."""
    return _flag("ACCEPT_LICENSE")


def is_trial() -> bool:
    """Whether what models say is a measurement or a test, no one's conversation (``INFERENCE_PIO_TRIAL=1``).

    Plugins that keep what was said keep nothing of it.
    """
    return _flag("TRIAL")


@contextlib.contextmanager
def trial() -> Iterator[None]:
    """Make everything a trial meanwhile, in this process and those that it starts."""
    name = f"{PREFIX}TRIAL"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def allowed_plugins() -> frozenset[str] | None:
    """Names that ``INFERENCE_PIO_PLUGINS`` lists: the only plugins or distributions that may load; ``None``: all may.

    An empty variable counts as not set.
    """
    return _names("PLUGINS") or None


def disabled_plugins() -> frozenset[str]:
    """Names of plugins or distributions that ``INFERENCE_PIO_DISABLE`` lists: they never load."""
    return _names("DISABLE")


def _flag(name: str) -> bool:
    return os.environ.get(PREFIX + name, "").strip().lower() in {"1", "true", "yes", "on"}


def _names(name: str) -> frozenset[str]:
    listed = os.environ.get(PREFIX + name, "").split(",")
    return frozenset(canonical_name(item) for item in listed if item.strip())
