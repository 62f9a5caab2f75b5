"""``Lifecycle``: whether the server is ready, and whether it stops."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Set by whoever runs the server.

    Attributes:
        is_ready: What was to be loaded at the start is loaded.
        is_stopping: What is cancelled from now on is cancelled because the server stops.
    """

    is_ready: bool = True
    is_stopping: bool = False
