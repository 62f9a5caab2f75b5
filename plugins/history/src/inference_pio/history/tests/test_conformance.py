"""What every plugin of hooks must do."""

from __future__ import annotations

from inference_pio.testing import HookConformance


class TestConformance(HookConformance):
    """The static and the load level."""

    plugin_name = "history"
