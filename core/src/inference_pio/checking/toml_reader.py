"""Reads TOML on every Python that the host supports; the standard library can from 3.11 on."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import CheckError

# On 3.10 whatever is at hand: pip, which nearly every environment has, brings a reader along for itself.
_READERS = ("tomllib", "tomli", "pip._vendor.tomli")


def read_toml(data: bytes) -> dict[str, Any]:
    """Parse a TOML document.

    Raises:
        ValueError: It is none.
        CheckError: There is no reader on this Python.
    """
    for name in _READERS:
        try:
            reader = importlib.import_module(name)
        except ImportError:
            continue
        try:
            found: dict[str, Any] = reader.loads(data.decode("utf-8"))
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        return found
    raise CheckError(
        "cannot read pyproject.toml: this Python has no TOML reader. Install one (pip install tomli), use Python 3.11 "
        "or later, or check the built wheel instead"
    )
