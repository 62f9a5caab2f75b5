"""Installing and uninstalling plugins: pip underneath, all or nothing, with the host and its libraries held."""

from .distributions import Change
from .install import InstallOutcome, install
from .observation import SeenPlugin
from .options import InstallOptions
from .uninstall import DoomedDist, Removal, uninstall
from .verdict import Fault

__all__ = [
    "Change",
    "DoomedDist",
    "Fault",
    "InstallOptions",
    "InstallOutcome",
    "Removal",
    "SeenPlugin",
    "install",
    "uninstall",
]
