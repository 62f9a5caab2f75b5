from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from inference_pio.gates import Environment, gate_outcomes, satisfies
from inference_pio.manifest import parse_manifest
from inference_pio.records import Outcome, Reason

Build = Callable[..., Environment]


def outcomes(data: dict[str, Any], environment: Environment) -> list[Outcome]:
    return list(gate_outcomes(parse_manifest(json.dumps(data)), environment))


def faults(data: dict[str, Any], environment: Environment) -> list[Reason]:
    return [reason for outcome in outcomes(data, environment) if not outcome.has_passed for reason in outcome.reasons]


def codes(data: dict[str, Any], environment: Environment) -> list[str]:
    return [reason.code for reason in faults(data, environment)]


def test_a_plugin_that_needs_nothing_passes_everywhere(manifest_data: dict[str, Any], environment_with: Build) -> None:
    assert codes(manifest_data, environment_with(total_gb=None, available_gb=None)) == []


@pytest.mark.parametrize(
    ("version", "specifier", "fits"),
    [
        ("2.13.0+cpu", ">=2.13.0", True),
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.13.0+cu130", "<=2.13.0", True),
        ("2.13.0+cpu", ">2.13.0", False),
        ("2.14.0.dev1", ">=2.13", True),
        ("2.14.0.dev20260101+cpu", ">=2.13,<3", True),
        ("2.13.0rc1", ">=2.13.0", False),
        ("2.13.0a0+git1234", ">=2.12", True),
        ("1.13.1", ">=2.0.0", False),
        ("2.13.0", "", True),
        ("2.13.0", "~=2.10", True),
        ("not-a-version", "", True),
        ("not-a-version", ">=1", False),
    ],
)
def test_versions_are_compared_by_pep_440(version: str, specifier: str, fits: bool) -> None:
    assert satisfies(version, specifier) is fits


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_a_wrong_library_version_is_incompatible_even_if_no_dependency(
    manifest_data: dict[str, Any], environment_with: Build, library: str
) -> None:
    manifest_data["compatibility"][f"{library}_version"] = ">=99"
    (reason,) = faults(manifest_data, environment_with(**{library: "4.5.6"}))
    assert reason.code == f"{library}-version"
    assert "4.5.6" in reason.message
    assert ">=99" in reason.message
    assert reason.fix == f"pip install '{library}>=99'"


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_an_absent_library_matters_only_as_a_dependency(
    manifest_data: dict[str, Any], environment_with: Build, library: str
) -> None:
    manifest_data["compatibility"][f"{library}_version"] = ">=2"
    assert codes(manifest_data, environment_with()) == []
    manifest_data["dependencies"] = [library]
    (reason,) = faults(manifest_data, environment_with())
    assert reason.code == "dependency-missing"
    assert reason.fix == f"pip install '{library}>=2'"


def test_a_wrong_python_is_incompatible(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["compatibility"]["python_version"] = ">=3.12"
    (reason,) = faults(manifest_data, environment_with(python="3.11.4"))
    assert reason.code == "python-version"
    assert "3.11.4" in reason.message
    assert codes(manifest_data, environment_with(python="3.12.0")) == []


def test_a_wrong_host_api_is_incompatible(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["host_api"] = ">=2,<3"
    assert codes(manifest_data, environment_with(host_api="1.0")) == ["host-api"]
    assert codes(manifest_data, environment_with(host_api="2.1")) == []


def test_a_manifest_of_a_later_schema_asks_for_a_newer_host(
    manifest_data: dict[str, Any], environment_with: Build
) -> None:
    manifest_data["schema_version"] = 2
    (reason,) = faults(manifest_data, environment_with())
    assert reason.code == "schema-version"
    assert "pip install -U inference-pio" in reason.fix


def test_a_dependency_out_of_range_is_incompatible(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["dependencies"] = ["numpy>=2"]
    (reason,) = faults(manifest_data, environment_with(numpy="1.26.4"))
    assert reason.code == "dependency-version"
    assert "1.26.4" in reason.message
    assert codes(manifest_data, environment_with(numpy="2.1")) == []


def test_a_dependency_whose_marker_does_not_apply_is_not_needed(
    manifest_data: dict[str, Any], environment_with: Build
) -> None:
    manifest_data["dependencies"] = ["numpy; python_version < '3'", "numpy; extra == 'gpu'"]
    assert codes(manifest_data, environment_with()) == []


def test_what_a_dependencys_extra_needs_is_needed(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["dependencies"] = ["tool[fast]"]
    needs = {
        "tool": ["numpy>=2; extra == 'fast'", "scipy; extra == 'slow'", "packaging", "tool[fast]; extra == 'fast'"]
    }
    (reason,) = faults(manifest_data, environment_with(tool="1.0", requirements=needs))
    assert (reason.code, reason.fix) == ("dependency-missing", "pip install 'numpy>=2'")
    assert codes(manifest_data, environment_with(tool="1.0", numpy="2.0", requirements=needs)) == []


def test_too_small_a_machine_does_not_fit(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["compatibility"]["min_memory_gb"] = 8.0
    (reason,) = faults(manifest_data, environment_with(total_gb=4))
    assert reason.code == "memory"
    assert "8 GB" in reason.message
    assert "4.0" in reason.message
    assert "--force" in reason.fix
    assert codes(manifest_data, environment_with(total_gb=8)) == []


def test_too_little_free_memory_does_not_fit(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["required_memory_gb"] = 8.0
    assert codes(manifest_data, environment_with(total_gb=64, available_gb=7.9)) == ["memory"]
    assert codes(manifest_data, environment_with(total_gb=64, available_gb=8)) == []


def test_unknown_memory_passes_with_a_remark(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["required_memory_gb"] = manifest_data["compatibility"]["min_memory_gb"] = 8.0
    environment = environment_with(total_gb=None, available_gb=None)
    assert faults(manifest_data, environment) == []
    remarks = [reason for outcome in outcomes(manifest_data, environment) for reason in outcome.reasons]
    assert [remark.code for remark in remarks] == ["memory-unknown", "memory-unknown"]


def test_all_reasons_are_given_at_once(manifest_data: dict[str, Any], environment_with: Build) -> None:
    manifest_data["compatibility"] |= {"python_version": ">=4", "torch_version": ">=9", "min_memory_gb": 999}
    assert codes(manifest_data, environment_with(torch="2.13.0")) == ["python-version", "torch-version", "memory"]
