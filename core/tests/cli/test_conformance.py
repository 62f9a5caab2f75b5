"""``test`` tells the level and keeps the report, ``info`` shows it for as long as it is about what is installed."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LEVELS = """\
import os
import pytest
from inference_pio.testing import ModelConformance

class TestConformance(ModelConformance):
    plugin_name = "echo"

@pytest.mark.conformance("behaviour")
def test_it_echoes():
    assert os.environ.get("ECHO_BROKEN") is None, "the echo is broken"
"""


@pytest.fixture
def tested(echo, site, test_packages):
    """The echo model with tests of three levels."""
    echo.search_path.append(test_packages)
    tests = site.folder / "echo_model" / "tests"
    (tests / "test_echo.py").unlink()
    (tests / "test_conformance.py").write_text(LEVELS)
    return echo


def conformance(cli, *args):
    return json.loads(cli.run("info", "echo", "--json", *args).stdout)["conformance"]


def test_info_says_how_to_test_what_was_never_tested(tested):
    assert b"not tested here: inference-pio test echo" in tested.run("info", "echo").stdout
    assert conformance(tested) is None


def test_a_whole_run_says_its_level_and_is_remembered(tested):
    done = tested.run("test", "echo")
    assert done.returncode == 0, done.stdout
    assert b"conformance of echo: behaviour (passed: static 1, load 9, behaviour 1)" in done.stdout
    assert b"parity is not reached: none of its tests ran and passed" in done.stdout
    found = conformance(tested)
    assert (found["level"], found["is_current"], found["version"]) == ("behaviour", True, "1.0")
    assert found["import_ms"] >= 0
    assert json.loads(Path(found["report"]).read_text())["level"] == "behaviour"
    assert b"conformance   behaviour (tested 20" in tested.run("info", "echo").stdout


def test_a_failure_lowers_the_level_and_says_why(tested):
    tested.run("test", "echo")
    done = tested.run("test", "echo", env={"ECHO_BROKEN": "1"})
    assert done.returncode == 1
    assert b"conformance of echo: load" in done.stdout
    assert (
        b"behaviour is not reached: 1 failed, first test_it_echoes: AssertionError: the echo is broken" in done.stdout
    )
    assert conformance(tested)["level"] == "load"


@pytest.mark.parametrize("choice", [["-k", "echoes"], ["--level", "load"], ["--", "-x", "-k", "echoes"]])
def test_a_run_of_some_tests_is_not_remembered(tested, choice):
    done = tested.run("test", "echo", *choice)
    assert done.returncode == 0, done.stdout
    assert b"not kept" in done.stderr
    assert conformance(tested) is None


def test_a_level_above_others_that_were_left_out_is_not_claimed(tested):
    done = tested.run("test", "echo", "-k", "echoes")
    assert b"no level can be told, for lower ones were left out (passed: behaviour 1)" in done.stdout


def test_an_upgrade_or_another_manifest_makes_the_report_old(tested, site):
    tested.run("test", "echo")
    manifest = site.folder / "echo_model" / "plugin_manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    assert conformance(tested)["is_current"] is False
    assert b"tested with another manifest, not with what is installed now" in tested.run("info", "echo").stdout
    info = site.folder / "inference_pio_echo-1.0.dist-info"
    info.rename(site.folder / "inference_pio_echo-1.1.dist-info")
    assert b"tested with version 1.0, not with what is installed now" in tested.run("info", "echo").stdout


def test_json_is_the_report_and_nothing_else_on_standard_output(tested):
    done = tested.run("test", "echo", "--json", "--level", "static")
    report = json.loads(done.stdout)
    assert (report["plugin"], report["level"], report["complete"]) == ("echo", "static", False)
    assert b"1 passed" in done.stderr


def test_a_report_that_cannot_be_kept_is_a_remark(tested):
    (tested.home / "occupied").write_text("a file where a folder should be")
    done = tested.run("test", "echo", env={"INFERENCE_PIO_STATE_DIR": str(tested.home / "occupied")})
    assert done.returncode == 0, done.stderr
    assert b"could not be kept" in done.stderr


def test_a_broken_report_counts_as_none(tested):
    tested.run("test", "echo")
    Path(conformance(tested)["report"]).write_text("{")
    assert conformance(tested) is None


def test_a_plugin_of_hooks_is_tested_too(tested, site):
    package = site.folder / "acme_hooks"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "hooks.py").write_text(
        "from inference_pio import hookimpl\n@hookimpl\ndef pio_after_load(model): pass\n"
    )
    (package / "tests" / "test_hooks.py").write_text(
        "from inference_pio.testing import HookConformance\n"
        "class TestConformance(HookConformance):\n    plugin_name = 'acme'\n"
    )
    site.install("acme-hooks", {"inference_pio.hooks": "acme = acme_hooks.hooks"})
    done = tested.run("test", "acme")
    assert done.returncode == 0, done.stdout
    assert b"conformance of acme: load (passed: static 1, load 8)" in done.stdout
    shown = tested.run("info", "acme").stdout
    assert b"conformance  load (tested" in shown
    assert b"manifest     none" in shown


def test_hooks_whose_entry_point_is_their_package_are_found_too(tested, site):
    tests = site.folder / "acme_hooks" / "tests"
    tests.mkdir(parents=True)
    (tests.parent / "__init__.py").touch()
    (tests / "test_hooks.py").write_text("def test_it(): pass\n")
    site.install("acme-hooks", {"inference_pio.hooks": "acme = acme_hooks"})
    assert b"1 passed" in tested.run("test", "acme").stdout


def test_hooks_that_may_not_be_loaded_are_not_tested(tested, site):
    site.install("acme-hooks", {"inference_pio.hooks": "acme = acme_hooks"})
    done = tested.run("test", "acme", env={"INFERENCE_PIO_DISABLE": "acme"})
    assert done.returncode == 1
    assert b"INFERENCE_PIO_DISABLE" in done.stderr
