"""What a reader of a model finds in words. That every file and folder is there and holds code, ``check`` says."""

from __future__ import annotations

import ast
from pathlib import Path

from .layout import Dist


def code_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_every_module_of_a_model_says_what_it_decides(model: Dist) -> None:
    files = [path for path in code_files(model.package) if path.parent.name not in ("tests", "benchmarks")]
    silent = [p.relative_to(model.folder) for p in files if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []


def test_every_distribution_has_a_readme(dist: Dist) -> None:
    assert (dist.folder / "README.md").stat().st_size > 200
