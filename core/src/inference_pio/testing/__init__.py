"""The conformance kit: one short file in a plugin's tests, four levels, a JSON report. Needs pytest, never torch.

A model that is no causal language model proves the two levels that need nothing but the plugin, and adds its own::

    class TestConformance(ModelConformance):
        plugin_name = "acme-vision"

        @pytest.mark.conformance("behaviour")
        def test_a_box_lies_inside_the_picture(self): ...

Causal language models get all four from ``inference_pio.runtime.testing``. A plugin that brings hooks only uses
``HookConformance``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conformance import HookConformance, ModelConformance
    from .exemption import does_not_apply
    from .levels import LEVELS
    from .report import Report, stored_report

__all__ = [
    "LEVELS",
    "HookConformance",
    "ModelConformance",
    "Report",
    "does_not_apply",
    "stored_report",
]

# Imported on first use: every run of pytest in this environment loads the package, for the sake of its plugin.
_MODULES = {
    "LEVELS": "levels",
    "HookConformance": "conformance",
    "ModelConformance": "conformance",
    "Report": "report",
    "does_not_apply": "exemption",
    "stored_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
