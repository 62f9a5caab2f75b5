"""JSON files that lie beside weights: ``config.json`` and the index of shards."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from inference_pio.errors import WeightsNotFoundError

from .faults import damaged, unsupported

if TYPE_CHECKING:
    from pathlib import Path

MAX_JSON_BYTES = 64 << 20
"""Largest file that is read; the index of a model of 100,000 tensors has about 10 MiB."""


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a file that must hold one JSON object.

    Raises:
        WeightsNotFoundError: There is no such file.
        CheckpointError: It is too large, unreadable, not JSON, or another kind of value.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise damaged(path, f"it has {size} bytes; at most {MAX_JSON_BYTES} are possible")
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"there is no {path.name} in {path.parent}. Is the download complete?") from error
    except OSError as error:
        raise unsupported(path, f"it cannot be read: {error.strerror or error}", "Check the file.") from error
    return parse_json_object(path, text)


def parse_json_object(path: Path, text: bytes) -> dict[str, Any]:
    """Parse one JSON object in which no key occurs twice; ``path`` is for messages."""
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    # RecursionError: nested too deeply; UnicodeDecodeError is a ValueError.
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its JSON cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise damaged(path, f"its JSON is a {type(value).__name__} where an object belongs")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {twice!r} occurs twice")
    return result
