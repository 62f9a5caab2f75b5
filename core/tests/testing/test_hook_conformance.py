"""``HookConformance``: what a plugin that brings hooks only must do."""

import pytest

TESTS = """\
from inference_pio.testing import HookConformance

class TestConformance(HookConformance):
    plugin_name = "fine"
"""

GOOD = """\
from inference_pio import hookimpl

@hookimpl
def pio_after_load(plugin_name, model):
    pass
"""


def test_good_hooks_reach_the_level(kit):
    kit.install_hooks(GOOD)
    run = kit.run(TESTS)
    assert run.code == 0, run.output
    assert run.level == "load"
    assert run.report["manifest_sha256"] is None
    assert len(run.outcomes) == 9


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (GOOD.replace("plugin_name, model", "plugin_name, modle"), "modle"),
        (GOOD.replace("pio_after_load", "pio_after_loda"), "did you mean pio_after_load"),
        (GOOD.replace("@hookimpl", ""), "it implements no hook"),
    ],
)
def test_hooks_that_do_not_fit_fail(kit, source, said):
    kit.install_hooks(source)
    run = kit.run(TESTS, "-k", "test_every_hook_of_it_fits_and_there_is_one")
    assert run.code == 1
    assert said in run.output


def test_the_rest_of_the_level_holds_for_hooks_too(kit):
    kit.install_hooks(GOOD + "import os; os.environ['ACME'] = '1'\nprint('hello')\n")
    run = kit.run(TESTS, "--conformance-only=load")
    failed = {name for name, outcome in run.outcomes.items() if outcome == "failed"}
    assert failed == {"test_it_leaves_alone_what_the_process_shares", "test_it_prints_nothing"}
