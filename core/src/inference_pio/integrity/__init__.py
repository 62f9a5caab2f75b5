"""``lock`` and ``verify``: what is installed, file by file, and whether it still is.

    selection -> dist_state (metadata, RECORD) -> inventory (hashes, strays, launchers, bytecode) -> comparison

Nothing here imports or runs a plugin. What it proves, and what not: ``docs/lock-and-verify.md``.
"""

from .comparison import build_lock, compare, obstacles
from .findings import Finding
from .inventory import Inventory, take_inventory
from .lock_file import DEFAULT_NAME, Lock, read_lock, render_lock, write_lock
from .selection import plugin_distributions, with_dependencies

__all__ = [
    "DEFAULT_NAME",
    "Finding",
    "Inventory",
    "Lock",
    "build_lock",
    "compare",
    "obstacles",
    "plugin_distributions",
    "read_lock",
    "render_lock",
    "take_inventory",
    "with_dependencies",
    "write_lock",
]
