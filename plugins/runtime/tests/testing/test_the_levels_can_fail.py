"""Levels behaviour and parity find what they are there for: a model with one fault fails the tests that look for it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from inference_pio.testing.levels import NOT_APPLICABLE

MODELS = Path(__file__).with_name("broken_models.py")
DECODE = "test_decode_token_by_token_equals_prefill"
BATCH = "test_a_mixed_batch_equals_each_sequence_alone"
AFRESH = "test_a_used_slot_starts_afresh"
BROKEN_OFF = "test_an_answer_that_is_broken_off_leaves_nothing_behind"
SEED = "test_a_seed_gives_the_same_tokens_in_another_object_and_another_random_state"
OTHERS_RANDOM = "test_nobody_elses_random_numbers_are_used_up"
CONFIG = "test_the_configuration_survives_a_round_trip"
SAVED = "test_a_saved_configuration_is_read_back_as_it_was"
DTYPE = "test_dtype_and_device_are_kept"
CLEANUP = "test_cleanup_gives_memory_back_and_loading_works_again"
PARITY = "test_all_logits_equal_the_reference"

FAULTS = {
    "TestCacheIsNotReset": {AFRESH, BROKEN_OFF},
    "TestRowsMix": {DECODE, BATCH},
    "TestRandomNumbersOfItsOwn": {SEED, OTHERS_RANDOM},
    "TestDtypeIsNotKept": {f"{DTYPE}[bfloat16]", f"{DTYPE}[float16]"},
    "TestMemoryIsNotFreed": {CLEANUP},
    "TestConfigurationIsLost": {CONFIG, SAVED},
    "TestNumbersAreWrong": {PARITY},
}
"""What each broken model must fail."""

INNOCENT = {
    "TestNumbersAreWrong": {DECODE, BATCH, AFRESH},
    "TestDtypeIsNotKept": {f"{DTYPE}[float32]"},
}
"""What it must pass all the same, so that a failure says where to look."""

SKIPPED = "there is no reference to compare with: pip install inference-pio-runtime[parity]"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[str, str]]:
    """Run what is of interest in one process; outcome and message by class and test."""
    wanted = [(name, test) for table in (FAULTS, INNOCENT) for name, tests in table.items() for test in tests]
    nodes = [f"{MODELS}::TestRight", f"{MODELS}::TestReferenceIsMissing::{PARITY}"]
    nodes += [f"{MODELS}::{name}::{test}" for name, test in wanted]
    result = tmp_path_factory.mktemp("levels") / "junit.xml"
    own = [
        "-p",
        "inference_pio.testing.plugin",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "--strict-markers",
    ]
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", *own, f"--junitxml={result}", *nodes]
    # A folder of its own for what it leaves: the common one is cleaned up by every run of pytest that ends.
    environment = {**os.environ, "PYTEST_DEBUG_TEMPROOT": str(result.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert result.exists(), done.stdout + done.stderr
    return {
        (str(case.get("classname")).rpartition(".")[2], str(case.get("name"))): (
            case[0].tag if len(case) else "passed",
            str(case[0].get("message")) if len(case) else "",
        )
        for case in ET.parse(result).iter("testcase")
    }


@pytest.mark.slow
def test_the_right_model_passes_everything_that_applies_to_it(outcomes: dict[tuple[str, str], tuple[str, str]]) -> None:
    mine = {test: outcome for (name, test), outcome in outcomes.items() if name == "TestRight"}
    assert {test for tests in FAULTS.values() for test in tests} <= set(mine)
    exempt = {
        test for test, (outcome, said) in mine.items() if outcome == "skipped" and said.startswith(NOT_APPLICABLE)
    }
    about_programs = {test for test in exempt if "decode_program" in test or "another_executor" in test}
    assert exempt == about_programs, "it has all but a decode program, which other executors would take"
    assert {test: mine[test] for test in set(mine) - exempt if mine[test][0] != "passed"} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_model_fails_the_tests_that_look_for_its_fault(
    outcomes: dict[tuple[str, str], tuple[str, str]], name: str
) -> None:
    assert {outcomes[name, test][0] for test in FAULTS[name]} == {"failure"}
    assert {outcomes[name, test][0] for test in INNOCENT.get(name, ())} <= {"passed"}


@pytest.mark.slow
def test_without_transformers_the_tests_that_need_it_are_skipped_and_say_so(
    outcomes: dict[tuple[str, str], tuple[str, str]],
) -> None:
    assert outcomes["TestReferenceIsMissing", PARITY] == ("skipped", SKIPPED)
