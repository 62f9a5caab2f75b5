"""What the host can say about an installation; ``inference-pio doctor`` shows it.

Two halves: what core finds out by looking (no plugin code runs), and what loading the hook plugins brings to light.
"""

from .core import core_findings
from .hooks import hook_findings
from .report import PluginDefect, Report

__all__ = ["PluginDefect", "Report", "core_findings", "hook_findings"]
