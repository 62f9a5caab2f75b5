"""The report: every outcome in its place, what was tested on what, and whether anything was left out."""

import hashlib
import json
import platform
import re

import pytest

import inference_pio

pytestmark = pytest.mark.slow

MIXED = """\
import pytest
from inference_pio.testing import ModelConformance

class TestConformance(ModelConformance):
    plugin_name = "fine"

@pytest.mark.conformance("behaviour")
class TestBehaviour:
    def test_good(self): pass
    def test_bad(self): assert 1 + 1 == 3, "arithmetic"
    def test_skipped(self): pytest.skip("there is no reference")
    @pytest.mark.xfail(reason="known")
    def test_expected_to_fail(self): assert False
    @pytest.fixture
    def broken(self): raise OSError("no such disk")
    def test_broken_fixture(self, broken): pass
    @pytest.fixture
    def dirty(self):
        yield
        raise OSError("cannot tidy up")
    def test_broken_teardown(self, dirty): pass
    @pytest.mark.conformance("parity")
    def test_of_another_level(self): pass

def test_without_a_level(): pass
"""

BEHAVIOUR = """\
import pytest
from inference_pio.testing.static_level import StaticLevel

class TestStatic(StaticLevel):
    plugin_name = "fine"

@pytest.mark.conformance("{level}")
def test_one(): assert {truth}

@pytest.mark.conformance("static")
def test_two(): pass

@pytest.mark.weights
@pytest.mark.conformance("parity")
def test_real(): pass
"""
FINE = "--conformance-plugin=fine"


def test_every_outcome_stands_at_its_level_with_its_message(kit):
    kit.install()
    report = kit.run(MIXED).report
    tests = {test["name"].rpartition("::")[2]: test for test in report["levels"]["behaviour"]["tests"]}
    counts = {key: report["levels"]["behaviour"][key] for key in ("passed", "failed", "skipped")}
    assert counts == {"passed": 1, "failed": 3, "skipped": 2}
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_skipped": "skipped",
        "test_expected_to_fail": "skipped",
        "test_broken_fixture": "failed",
        "test_broken_teardown": "failed",
    }
    assert "arithmetic" in tests["test_bad"]["message"]
    assert tests["test_skipped"]["message"] == "there is no reference"
    assert "known" in tests["test_expected_to_fail"]["message"]
    assert "no such disk" in tests["test_broken_fixture"]["message"]
    assert "cannot tidy up" in tests["test_broken_teardown"]["message"]
    assert [test["name"].rpartition("::")[2] for test in report["levels"]["parity"]["tests"]] == [
        "test_of_another_level"
    ], "the marker nearest to the test counts"
    assert report["other"]["passed"] == 1
    assert report["level"] == "load"


def test_the_report_says_what_was_tested_on_what(kit):
    folder = kit.install()
    site_torch = kit.site.add_dist("torch", "9.8.7+cpu")
    report = kit.run(BEHAVIOUR.format(level="static", truth=True), FINE).report
    assert site_torch.is_dir()
    digest = hashlib.sha256((folder / "plugin_manifest.json").read_bytes()).hexdigest()
    expected = {
        "schema_version": 1,
        "plugin": "fine",
        "dist": "acme-fine",
        "version": "1.0",
        "manifest_sha256": digest,
        "host_version": inference_pio.__version__,
        "python": platform.python_version(),
        "torch": "9.8.7+cpu",
        "complete": True,
        "level": "static",
        "import_ms": None,
    }
    assert {key: report[key] for key in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", report["started"])
    assert set(report["levels"]) == {"static", "load", "behaviour", "parity"}


@pytest.mark.parametrize(
    ("args", "complete"),
    [
        ([], True),
        (["-m", "not weights"], True),
        (["-k", "test_two"], False),
        (["--conformance-level=static"], False),
        (["--conformance-only=parity"], False),
        (["--collect-only"], False),
    ],
)
def test_a_run_that_leaves_out_what_any_machine_can_run_is_not_complete(kit, args, complete):
    kit.install()
    assert kit.run(BEHAVIOUR.format(level="load", truth=True), FINE, *args).report["complete"] is complete


def test_a_run_that_stops_at_the_first_failure_is_not_complete(kit):
    kit.install()
    report = kit.run(BEHAVIOUR.format(level="static", truth=False), FINE, "-x").report
    assert (report["complete"], report["level"]) == (False, None)


def test_a_test_file_that_cannot_be_imported_is_a_failure_and_reaches_no_level(kit):
    kit.install()
    run = kit.run("import no_such_module", FINE)
    assert run.code == 2
    assert run.level is None
    assert run.report["complete"] is True, "an older and better report must not outlive it"
    assert "no_such_module" in run.report["other"]["tests"][0]["message"]


@pytest.mark.parametrize(
    ("choice", "run"),
    [
        (["--conformance-level=static"], {"test_two"}),
        (["--conformance-level=parity"], {"test_one", "test_two", "test_real"}),
        (["--conformance-only=parity"], {"test_real"}),
    ],
)
def test_levels_can_be_chosen(kit, choice, run):
    kit.install()
    outcomes = kit.run(BEHAVIOUR.format(level="behaviour", truth=True), FINE, *choice).outcomes
    assert set(outcomes) - {"test_the_check_of_the_installed_plugin_finds_no_error"} == run


def test_a_test_that_does_not_apply_does_not_stand_against_its_level(kit):
    kit.install()
    exempt = "from inference_pio.testing import does_not_apply\ndef test_experts(): does_not_apply('there are none')\n"
    marked = (
        "import pytest\nfrom inference_pio.testing.static_level import StaticLevel\n"
        "pytestmark = pytest.mark.conformance('static')\n"
        "class TestStatic(StaticLevel):\n    plugin_name = 'fine'\n"
    )
    run = kit.run(marked + exempt, FINE)
    assert run.level == "static"
    assert run.outcomes["test_experts"] == "skipped"
    assert kit.run(marked + exempt.replace("does_not_apply('there", "pytest.skip('there"), FINE).level is None


def test_a_marker_that_names_no_level_is_a_usage_error(kit):
    kit.install()
    run = kit.run(BEHAVIOUR.format(level="perfection", truth=True), FINE, check_report=False)
    assert run.code == 4
    assert "takes one of static, load, behaviour, parity; it has ('perfection',)" in run.output


def test_a_report_about_nobody_in_particular_is_a_usage_error(kit):
    kit.install()
    run = kit.run("def test_one(): pass", check_report=False)
    assert run.code == 4
    assert "--conformance-plugin NAME" in run.output


def test_a_plugin_that_is_not_installed_is_a_usage_error(kit):
    kit.install()
    run = kit.run("def test_one(): pass", "--conformance-plugin=fyne", check_report=False)
    assert run.code == 4
    assert "fine" in run.output, "the nearest name"


def test_the_report_is_read_back_as_it_was_written(kit, tmp_path):
    from inference_pio.testing.report import read_report

    kit.install()
    kit.run(MIXED)
    path = tmp_path / "report.json"
    report = read_report(path)
    assert report is not None
    assert report.as_json() == path.read_bytes()
    for broken in (b"", b"[]", b"{", json.dumps({**json.loads(path.read_bytes()), "schema_version": 2}).encode()):
        path.write_bytes(broken)
        assert read_report(path) is None
