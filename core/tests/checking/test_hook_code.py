"""Hook implementations in the syntax tree: found wherever the host would find them, judged as the host would."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.checking.hook_code import hook_arguments
from inference_pio.hook_registry import HookRegistry

HOOKS = "acme_hooks/hooks.py"


def found(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("@hookimpl(tryfirst=True)\ndef pio_after_load(): pass", set()),
        ("@hookimpl(specname='pio_after_load')\ndef anything(model): pass", set()),
        ("@hookimpl(specname='pio_after_lod')\ndef anything(model): pass", {"hook-unknown"}),
        ("@hookimpl(optionalhook=True)\ndef pio_of_the_future(x): pass", set()),
        ("@hookimpl\ndef pio_after_load(model, extra=None): pass", set()),
        ("@hookimpl(hookwrapper=True)\ndef pio_after_load(): yield", {"hook-wrapper"}),
        ("@inference_pio.hookimpl\ndef pio_after_load(modle): pass", {"hook-argument-unknown"}),
        ("def pio_after_load(model): pass", {"hook-unmarked", "no-hooks"}),
        ("def helper(): pass", {"no-hooks"}),
    ],
)
def test_an_implementation_is_judged_by_its_marker_name_and_arguments(
    source: str, codes: set[str], hooks: Any, check: Any
) -> None:
    hooks.files[HOOKS] = f"import inference_pio\nfrom inference_pio import hookimpl\n{source}\n"
    assert found(check(hooks)) == codes


def test_the_nearest_hook_is_suggested(hooks: Any, check: Any) -> None:
    hooks.edit(HOOKS, "pio_after_load", "pio_aftr_load")
    assert "did you mean pio_after_load?" in check(hooks).findings[0].message


def test_hooks_may_be_imported_from_a_sibling(hooks: Any, check: Any) -> None:
    hooks.files["acme_hooks/inner.py"] = hooks.files[HOOKS]
    hooks.files[HOOKS] = "from .inner import pio_after_load\n"
    assert found(check(hooks)) == set()
    hooks.edit("acme_hooks/inner.py", "(plugin_name)", "(nonsense)")
    assert [finding.where for finding in check(hooks).findings] == ["src/acme_hooks/inner.py:7"]


@pytest.mark.parametrize("ending", ["made = Acme()", "made: object = Acme()"])
def test_hooks_may_be_methods_of_an_object(ending: str, hooks: Any, check: Any) -> None:
    source = (
        "from inference_pio import hookimpl\n\n\nclass Acme:\n    @hookimpl\n    def pio_after_load(self, {}): pass\n"
    )
    hooks.entry_points = {"inference_pio.hooks": {"acme": "acme_hooks.hooks:made"}}
    for argument, codes in (("model", set()), ("modle", {"hook-argument-unknown"})):
        hooks.files[HOOKS] = f"{source.format(argument)}\n\n{ending}\n"
        assert found(check(hooks)) == codes


def test_a_model_that_implements_hooks_is_checked_too(model: Any, check: Any) -> None:
    plugin = "inference_pio/models/tiny/plugin.py"
    model.edit(plugin, "import ModelPlugin", "import ModelPlugin, hookimpl")
    model.edit(plugin, "    def cleanup", "    @hookimpl\n    def pio_after_lod(self): pass\n\n    def cleanup")
    assert found(check(model)) == {"hook-unknown"}


def test_what_is_known_of_hooks_is_what_the_host_has() -> None:
    from inference_pio import hookspecs

    assert set(hook_arguments()) == {name for name in vars(hookspecs) if name.startswith("pio_")}
    for name, arguments in hook_arguments().items():
        scope: dict[str, Any] = {}
        exec(f"def {name}({', '.join(arguments)}): pass", scope)
        HookRegistry().register(type("P", (), {name: staticmethod(hookspecs.hookimpl(scope[name]))}), name)
