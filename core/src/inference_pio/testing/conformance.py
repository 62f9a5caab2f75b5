"""The classes that a plugin's test file inherits from."""

from __future__ import annotations

from .load_level import HookLoadLevel, ModelLoadLevel
from .static_level import StaticLevel


# pytest runs the tests of the last base first: the levels come in their order.
class ModelConformance(ModelLoadLevel, StaticLevel):
    """Levels ``static`` and ``load`` of a model plugin. Inherit in a class called ``Test…`` and name the plugin.

    Tests of the other levels are the plugin's own, marked ``@pytest.mark.conformance("behaviour")`` or ``"parity"``.
    """


class HookConformance(HookLoadLevel, StaticLevel):
    """Levels ``static`` and ``load`` of a plugin that brings hooks only; otherwise as ``ModelConformance``."""
