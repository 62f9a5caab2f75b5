"""API keys: who asks. Compared in constant time, over all keys, and kept as hashes only."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inference_pio.errors import UsageError

logger = logging.getLogger(__name__)

VARIABLE = "INFERENCE_PIO_API_KEYS"
"""Environment variable with keys, separated by commas or line ends."""

MIN_KEY_LENGTH = 16
"""Shorter keys are refused: they can be guessed. Characters."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class ApiKeys:
    """Hashes of keys, by the name of whoever has the key.

    Attributes:
        digests: SHA-256 of each key, by name.
    """

    digests: Mapping[str, bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any; without, everybody may ask."""
        return bool(self.digests)

    def name_of(self, key: bytes) -> str | None:
        """Return whose key this is; ``None``: nobody's. Takes the same time whichever key it is or resembles."""
        digest = hashlib.sha256(key).digest()
        found = None
        for name, known in self.digests.items():
            if hmac.compare_digest(digest, known):  # both are hashes, so neither length nor content shows in the time
                found = name
        return found


def parse_keys(text: str, where: str) -> ApiKeys:
    """Read keys: one a line, ``name:key`` or only the key; ``#`` begins a comment line.

    Args:
        text: The lines.
        where: For messages, which never contain a key.

    Raises:
        UsageError: A key is short, stands twice or holds what a header cannot; a name is no name or stands twice.
    """
    digests: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, key = line.partition(":")
        name, key = (name.strip(), key.strip()) if colon else (f"key{number}", line)
        at = f"{where}, line {number}"
        if not _NAME.fullmatch(name):
            raise UsageError(f"{at}: a name before the colon has letters, digits, '.', '_' or '-', 64 at most")
        if len(key) < MIN_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(
                f"{at}: a key has at least {MIN_KEY_LENGTH} characters, ASCII without spaces. "
                'Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        digest = hashlib.sha256(key.encode()).digest()
        if name in digests or digest in digests.values():
            raise UsageError(f"{at}: this name or key stands there already")
        digests[name] = digest
    return ApiKeys(digests)


def load_keys(path: Path | None, environment: Mapping[str, str] = os.environ) -> ApiKeys:
    """Return the keys of a file, else those of ``INFERENCE_PIO_API_KEYS``, else none.

    Raises:
        UsageError: The file cannot be read, others may write it, it holds no key, or see ``parse_keys``.
    """
    if path is not None:
        keys, where = parse_keys(_read_private(path), str(path)), f"the file {path}"
    elif environment.get(VARIABLE, "").strip():
        keys, where = parse_keys(environment[VARIABLE].replace(",", "\n"), VARIABLE), VARIABLE
    else:
        return ApiKeys()
    if not keys:
        raise UsageError(f"{where} holds no API key: write one a line, name:key")
    return keys


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the API keys in {path} cannot be read: {error}") from error
    if os.name == "posix" and mode & stat.S_IWOTH:
        raise UsageError(f"everybody on this machine may write {path}, which holds the API keys: chmod 600 {path}")
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IRGRP):
        logger.warning("others on this machine may read the API keys in %s: chmod 600 %s", path, path)
    return text
