"""The structure of a model's package: every file and folder is there, and each folder holds a decision as code."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from ..codes import Severity
from .findings import Finding, finding
from .subject import SHARED, folder_of
from .syntax import Module, Modules

FILES = ("__init__.py", "config.py", "model.py", "plugin.py", "plugin_manifest.json")
FOLDERS = (
    "architecture",
    "attention",
    "benchmarks",
    "fused_layers",
    "kv_cache",
    "mlp",
    "rotary_embeddings",
    "specific_optimizations",
    "tests",
)
_DECISIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def structure_findings(package: str, modules: Modules) -> Iterator[Finding]:
    """Check the package of one model.

    In ``inference_pio.models`` the structure is a rule: whoever opens one model there finds their way in all of them. A
    package of one's own may be laid out otherwise, and is told what readers will miss.
    """
    severity: Severity = "error" if package.startswith(f"{SHARED}.models.") else "warning"
    folder = folder_of(package)
    shown = modules.files.shown
    for name in FILES:
        if f"{folder}/{name}" not in modules.files and name != "plugin_manifest.json":  # which has codes of its own
            place = shown(f"{folder}/{name}")
            yield finding("structure-file-missing", f"{name} is missing in {package}", place, severity=severity)
    for name in FOLDERS:
        place = shown(f"{folder}/{name}")
        found = [module for module in modules.below(f"{package}.{name}") if module.file.startswith(f"{folder}/{name}/")]
        if f"{folder}/{name}/__init__.py" not in modules.files:
            yield finding(
                "structure-folder-missing", f"the package {name}/ is missing in {package}", place, severity=severity
            )
        elif not _holds_what_it_should(name, found):
            what = "no test function" if name == "tests" else "nothing but docstrings and imports"
            yield finding("structure-folder-empty", f"{name}/ of {package} holds {what}", place, severity=severity)


def _holds_what_it_should(name: str, found: Iterable[Module]) -> bool:
    if name == "tests":
        return any(map(has_tests, found))
    return any(decides_something(module.tree) for module in found)


def decides_something(tree: ast.Module) -> bool:
    """Whether a module defines anything beside a docstring, imports and the list of its names."""
    for node in tree.body:
        targets = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if isinstance(node, _DECISIONS) and targets != ["__all__"]:
            return True
    return False


def has_tests(module: Module) -> bool:
    """Whether pytest would find a test in a module; one that inherits a contract counts by its class."""
    if not module.name.rpartition(".")[2].startswith("test_"):
        return False
    functions = (node.name for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef))
    classes = (node for node in module.tree.body if isinstance(node, ast.ClassDef))
    inherits = any(node.bases and node.name.startswith("Test") for node in classes)
    return inherits or any(name.startswith("test_") for name in functions)
