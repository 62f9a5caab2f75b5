"""Manifest and metadata: what counts as the same, what must come along, and what is not known before a build."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.checking.python_versions import accepted, oldest


def found(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("name", ["Tiny", "TINY", "t-i-n-y", "inference-pio-tiny", "Inference PIO Tiny"])
def test_a_name_is_the_same_whatever_its_spaces_and_capitals(name: str, model: Any, check: Any) -> None:
    model.manifest["name"] = name
    assert found(check(model)) == set()


@pytest.mark.parametrize(
    ("version", "is_same"), [("1.0", True), ("1.0.0", True), ("1", True), ("1.0.1", False), ("x", False)]
)
def test_versions_are_compared_as_versions(version: str, is_same: bool, model: Any, check: Any) -> None:
    model.manifest["version"] = version
    assert found(check(model)) == (set() if is_same else {"version-differs"})


def test_what_is_computed_at_build_time_is_not_compared(model: Any, check: Any) -> None:
    del model.project["version"], model.project["dependencies"]
    model.project["dynamic"] = ["version", "dependencies"]
    model.manifest["version"] = "7"
    model.manifest["dependencies"] = ["acme-nowhere"]
    assert found(check(model)) == set()


@pytest.mark.parametrize("license_", [{"text": "MIT License"}, {"file": "LICENSE"}])
def test_the_free_text_of_older_metadata_is_not_compared(license_: dict[str, str], model: Any, check: Any) -> None:
    ((key, value),) = license_.items()
    del model.project["license"]
    model.pyproject = lambda: (
        type(model).pyproject(model).replace("[project]", f'[project]\nlicense = {{ {key} = "{value}" }}')
    )
    assert found(check(model)) == set()


def test_a_manifest_without_a_license_says_nothing_that_could_differ(model: Any, check: Any) -> None:
    model.manifest["license"] = ""
    assert [finding.where.rpartition(":")[2] for finding in check(model).findings] == ["$.license"]


def test_a_dependency_may_come_along_with_another_one(model: Any, check: Any) -> None:
    model.manifest["dependencies"] = ["click", "Inference_PIO"]  # the host requires click
    assert found(check(model)) == set()


def test_a_dependency_of_an_extra_does_not_come_along(model: Any, check: Any) -> None:
    model.manifest["dependencies"] = ["hypothesis"]  # only the host's tests need it
    assert found(check(model)) == {"dependency-undeclared"}
    model.project["dependencies"] = ["inference-pio[test]>=0.1,<0.2"]
    assert found(check(model)) == set()


def test_what_a_library_that_is_not_installed_requires_is_not_known(model: Any, check: Any) -> None:
    model.project["dependencies"].append("acme-not-installed")
    model.manifest["dependencies"] = ["acme-nowhere"]
    assert found(check(model)) == set()


def test_a_name_alone_agrees_with_every_specifier(model: Any, check: Any) -> None:
    model.project["dependencies"].append("torch>=2.6")
    for text, codes in (("torch", set()), ("torch>=2.6", set()), ("torch>=2.4", {"dependency-differs"})):
        model.manifest["dependencies"] = [text]
        assert found(check(model)) == codes


@pytest.mark.parametrize(
    ("requirement", "end"),
    [
        ("inference-pio", "no lower and no upper bound"),
        ("inference-pio<1", "no lower bound"),
        ("inference-pio>=0.1", "no upper bound"),
        ("inference-pio~=0.1", ""),
        ("inference-pio==0.1.*", ""),
    ],
)
def test_the_host_is_required_within_bounds(requirement: str, end: str, model: Any, check: Any) -> None:
    model.project["dependencies"] = [requirement]
    messages = [finding.message for finding in check(model).findings]
    assert messages == ([f"{requirement!r} has {end}"] if end else [])


@pytest.mark.parametrize(
    ("requirement", "is_pin"),
    [
        ("torch==2.6.0", True),
        ("torch===2.6.0", True),
        ("transformers==5.0", True),
        ("torch==2.*", False),
        ("torch>=2", False),
        ("numpy==2.0", False),
        ('torch==2.6.0; extra == "test"', False),
    ],
)
def test_a_pin_of_torch_is_found(requirement: str, is_pin: bool, model: Any, check: Any) -> None:
    model.project["dependencies"].append(requirement)
    assert found(check(model)) == ({"torch-pinned"} if is_pin else set())


@pytest.mark.parametrize("requirement", ["not a requirement!", "", ">=2"])
def test_a_requirement_that_cannot_be_parsed_is_left_to_the_build_tool(
    requirement: str, model: Any, check: Any
) -> None:
    model.project["dependencies"].append(requirement)
    assert found(check(model)) == set()


def test_specifiers_become_minor_versions() -> None:
    assert accepted(">=3.10,<3.13") == [(3, 10), (3, 11), (3, 12)]
    assert accepted(">=3.10.4")[0] == (3, 10)
    assert oldest([">=3.9", ">=3.11", ""]) == (3, 11)
    assert oldest(["<3", ">=3.10"]) == oldest([]) == (3, 7)


@pytest.mark.parametrize(
    "text",
    [
        "project = 3\n",
        "[project]\nname = 3\n",
        '[project]\nname = "x"\nentry-points = 3\n',
        '[project]\nname = "x"\n[project.entry-points]\n"inference_pio.models" = 3\n',
        '[project]\nname = "x"\n[project.entry-points."inference_pio.models"]\nx = 3\n',
        '[project]\nname = "x"\ndependencies = 3\ndynamic = 7\n',
        '[project]\nname = "x"\ndependencies = [3]\nlicense = 3\nversion = 3\nrequires-python = 3\n',
        '[project]\nname = "x"\n[tool.hatch.build.targets.wheel]\npackages = 3\n',
        '[project]\nname = "x"\n[tool.setuptools.packages.find]\nwhere = 3\n',
        "tool = 3\n",
    ],
)
def test_a_pyproject_with_nonsense_in_it_is_a_finding_and_no_crash(text: str, model: Any, check: Any) -> None:
    model.pyproject = lambda: text
    assert not check(model).is_ok
