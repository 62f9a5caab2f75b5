"""What marks an answer: an id of its own, and when it was made."""

from __future__ import annotations

import time
import uuid


def new_id(prefix: str) -> str:
    """Return an id that no other answer has: ``chatcmpl-`` and 32 hexadecimal digits."""
    return f"{prefix}{uuid.uuid4().hex}"


def now_s() -> int:
    """Return the time, seconds since 1970."""
    return int(time.time())
