"""Codes of plugin states: why a plugin is not ready, and remarks on one that is."""

from __future__ import annotations

from . import CodeTable

TABLE = CodeTable(
    title="Plugin states",
    about="`list`, `info`, `why-not` and `doctor` give these as the reasons of a plugin's state.",
    codes=(),
)
