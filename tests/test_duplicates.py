"""Share maths, own wiring: a piece of code that two models have in common belongs to the runtime."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from pathlib import Path
from typing import TypeGuard

from .layout import MODELS, Dist

WINDOW = 8
"""Consecutive lines of code; a shorter piece (a loop, a return) may well be equal by chance."""


def normalised_lines(path: Path, model: Dist) -> list[tuple[int, str]]:
    """Statements with their line numbers, the model's own name taken out.

    Left out: imports, docstrings and comments, and signatures, which an interface makes equal.
    """
    text = path.read_text(encoding="utf-8")
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            left_out.update(range(node.lineno, node.body[0].lineno))
        elif is_import_or_docstring(node):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    name = re.compile(re.escape(model.word), re.IGNORECASE)
    lines = ((number, re.sub(r"\s*#.*", "", line).strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(n, name.sub("MODEL", line)) for n, line in lines if re.search(r"\w", line) and n not in left_out]


def is_import_or_docstring(node: ast.AST) -> TypeGuard[ast.stmt]:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def windows(model: Dist) -> dict[tuple[str, ...], str]:
    """Every run of ``WINDOW`` lines in a model's code, and where it starts."""
    found: dict[tuple[str, ...], str] = {}
    for path in model.modules.values():
        lines = normalised_lines(path, model)
        for start in range(len(lines) - WINDOW + 1):
            piece = tuple(line for _, line in lines[start : start + WINDOW])
            found.setdefault(piece, f"{path.relative_to(model.folder.parent)}:{lines[start][0]}")
    return found


def test_no_two_models_share_a_piece_of_code() -> None:
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one, other in itertools.combinations(MODELS, 2):
        theirs = windows(other)
        for piece, place in windows(one).items():
            if piece in theirs:
                shared[one.word, other.word].append(f"{place} = {theirs[piece]}")
    assert dict(shared) == {}


def test_the_search_finds_a_copy_under_another_name(tmp_path: Path) -> None:
    pieces = []
    for word in ("alpha", "beta"):
        package = tmp_path / word / "src" / "inference_pio" / "models" / word
        package.mkdir(parents=True)
        table = f'[project]\nname = "x"\n[project.entry-points."inference_pio.models"]\n{word} = "x"\n'
        (tmp_path / word / "pyproject.toml").write_text(table, encoding="utf-8")
        body = "".join(f"    {word}_{line} = {line}  # of {word}\n" for line in range(WINDOW))
        (package / "code.py").write_text(f'"""About {word}."""\ndef build():\n{body}', encoding="utf-8")
        pieces.append(set(windows(Dist(tmp_path / word, word))))
    assert len(pieces[0] & pieces[1]) == 1
