"""A plugin does not come by a level of the kit without the kit's own tests, run on itself."""

import pytest

from inference_pio.testing.kit_tests import required_tests

KIT = """\
import pytest
from inference_pio.testing import ModelConformance

class TestConformance(ModelConformance):
    plugin_name = "fine"
"""


def first_missing(run, level):
    return [test["name"].rpartition("::")[2] for test in run.report["levels"][level]["tests"] if test["message"]]


def test_the_kit_as_it_stands_reaches_the_level_load(kit):
    kit.install()
    assert kit.run(KIT).level == "load"


@pytest.mark.parametrize(
    "instead",
    [
        "    test_it_prints_nothing = None\n",
        "    @pytest.mark.conformance('load')\n    def test_it_prints_nothing(self): pass\n",
        "    @pytest.mark.slow\n    @pytest.mark.skip\n    def test_it_prints_nothing(self): pass\n",
    ],
)
def test_a_test_of_the_kit_that_was_replaced_stands_against_its_level(kit, instead):
    kit.install()
    run = kit.run(KIT + instead)
    assert run.level == "static"
    assert first_missing(run, "load")[-1] == "test_it_prints_nothing"


def test_tests_of_ones_own_are_no_proof_of_what_the_kit_asks(kit):
    kit.install()
    own = "".join(
        f"@pytest.mark.conformance('{level}')\ndef test_{level}(): pass\n"
        for level in ("static", "load", "behaviour", "parity")
    )
    run = kit.run(f"import pytest\n{own}", "--conformance-plugin=fine")
    assert run.code == 0
    assert run.level is None


def test_a_copied_test_class_proves_nothing_of_the_plugin_that_it_does_not_name(kit):
    kit.install("raise ImportError('does not even load')")
    kit.site.add_model("other", package="acme_other", dist="acme-other", manifest=kit.manifest)
    run = kit.run(KIT.replace("fine", "other"), "--conformance-plugin=fine", "--conformance-only=static")
    assert run.outcomes == {"test_the_check_of_the_installed_plugin_finds_no_error": "passed"}
    assert run.level is None


def test_hooks_have_tests_of_their_own():
    models, hooks = required_tests("model"), required_tests("hooks")
    assert set(models) == set(hooks) == {"static", "load"}
    assert hooks["load"] - models["load"] == {"test_every_hook_of_it_fits_and_there_is_one"}
