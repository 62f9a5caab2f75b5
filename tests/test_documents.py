"""Documents and settings say what the tools do."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nox.project import load_toml
from packaging.requirements import InvalidRequirement, Requirement

from .layout import DISTS, ROOT, text_files

INSTALL = "pip install -c constraints.txt ."
TEST = "pip install nox && nox"
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
SESSION_ROW = re.compile(r"^\| `(\w+)`[^|]*\| (default|opt-in) \|", re.MULTILINE)


def read(name: str) -> str:
    path = ROOT / name
    if not path.is_file():
        pytest.fail(f"{name} is missing")
    return path.read_text(encoding="utf-8")


def sessions() -> dict[str, str]:
    """nox's own answer: name of every session, without Python version and parameters, to `default` or `opt-in`."""
    command = [sys.executable, "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), "--list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    marks = re.findall(r"^([*-]) (\w+)", listed, re.MULTILINE)
    return {name: "default" if mark == "*" else "opt-in" for mark, name in marks}


def test_the_readme_has_the_two_commands() -> None:
    assert INSTALL in read("README.md")
    assert TEST in read("README.md")


def test_contributing_sets_up_with_the_same_commands() -> None:
    assert TEST in read("CONTRIBUTING.md")


def test_ci_runs_the_test_command_of_the_readme_and_no_other() -> None:
    commands = [line for line in read(".ci/run").splitlines() if re.search(r"\b(pip|nox|pytest|mypy|ruff)\b", line)]
    assert [line for line in commands if not line.lstrip().startswith("#")] == [
        f'({TEST}) 2>&1 | tee "$scratch/log" || status=$?'
    ]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111, ".ci/run must be executable"


def test_contributing_lists_the_sessions_that_nox_has() -> None:
    assert dict(SESSION_ROW.findall(read("CONTRIBUTING.md"))) == sessions()


@pytest.mark.parametrize("page", text_files(".md"), ids=str)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [target for target in LINK.findall(text) if not (ROOT / page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [page for page in text_files(".md") if page.parts[0] == "docs"], ids=str)
def test_tests_that_a_document_names_exist(page: Path) -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / page).read_text(encoding="utf-8"))
    assert [name for name in named if not re.search(rf"def {name}\b", all_python())] == []


@functools.cache
def all_python() -> str:
    return "\n".join(text_files(".py").values())


def test_the_workspace_installs_every_distribution() -> None:
    listed = load_toml(ROOT / "pyproject.toml")["project"]["dependencies"]
    expected = [f"{d.project['name']} @ {{root:uri}}/{d.folder.relative_to(ROOT).as_posix()}" for d in DISTS]
    assert sorted(listed) == sorted(expected)


def test_mypy_knows_every_source_folder() -> None:
    listed = load_toml(ROOT / "pyproject.toml")["tool"]["mypy"]["mypy_path"]
    assert listed == ":".join(f"{dist.folder.relative_to(ROOT).as_posix()}/src" for dist in DISTS)


def test_tools_are_set_at_the_root_only() -> None:
    strays = [f"{d}: [tool.{tool}]" for d in DISTS for tool in d.settings.get("tool", {}) if tool != "hatch"]
    others = ("setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", ".ruff.toml", ".flake8")
    assert strays + [str(path) for path in text_files() if path.name in others] == []


def test_every_direct_dependency_has_a_lowest_version_and_a_pin() -> None:
    pins = {line.partition("==")[0].lower() for line in read("constraints.txt").splitlines() if "==" in line}
    ours = {dist.project["name"] for dist in DISTS}
    for dist in DISTS:
        extras = dist.project.get("optional-dependencies", {}).values()
        for line in [*dist.project.get("dependencies", []), *(line for extra in extras for line in extra)]:
            requirement = Requirement(line)
            if requirement.name not in ours:
                assert any(spec.operator == ">=" for spec in requirement.specifier), f"{dist}: {line}"
                assert requirement.name.lower() in pins, f"{dist}: {line} is not in constraints.txt"


def test_constraints_are_exact_versions() -> None:
    for line in read("constraints.txt").splitlines():
        if line and not line.startswith("#"):
            try:
                requirement = Requirement(line)
            except InvalidRequirement as error:
                pytest.fail(f"constraints.txt: {line}: {error}")
            assert [spec.operator for spec in requirement.specifier] == ["=="], line
