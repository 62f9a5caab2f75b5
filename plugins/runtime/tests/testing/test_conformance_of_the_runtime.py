"""The runtime's own hooks go through the levels that are there for everybody's."""

from __future__ import annotations

from inference_pio.testing import HookConformance


class TestConformance(HookConformance):
    plugin_name = "runtime"
