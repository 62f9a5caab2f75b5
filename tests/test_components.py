"""Every model has the whole directory structure, and each folder holds the decision that the model takes there."""

from __future__ import annotations

import ast
from pathlib import Path

from .layout import COMPONENTS, Dist

FILES = ("__init__.py", "config.py", "model.py", "plugin.py", "plugin_manifest.json")
DECISIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def code_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def decides_something(path: Path) -> bool:
    """Whether a module defines anything beside a docstring, imports and the list of its names."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if isinstance(node, DECISIONS) and targets != ["__all__"]:
            return True
    return False


def test_a_model_has_every_file_of_the_structure(model: Dist) -> None:
    assert [name for name in FILES if not (model.package / name).is_file()] == []


def test_a_model_has_every_folder_of_the_structure(model: Dist) -> None:
    assert [name for name in COMPONENTS if not (model.package / name / "__init__.py").is_file()] == []


def test_every_folder_of_a_model_holds_code(model: Dist) -> None:
    assert [name for name in COMPONENTS if not any(map(decides_something, code_files(model.package / name)))] == []


def test_every_module_of_a_model_says_what_it_decides(model: Dist) -> None:
    files = [path for path in code_files(model.package) if path.parent.name not in ("tests", "benchmarks")]
    silent = [p.relative_to(model.folder) for p in files if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []


def test_every_model_brings_tests_that_run_where_it_is_installed(model: Dist) -> None:
    tests = model.package / "tests"
    functions = [
        node.name
        for path in tests.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert functions, f"no test function below {tests}"


def test_every_distribution_has_a_readme(dist: Dist) -> None:
    assert (dist.folder / "README.md").stat().st_size > 200
