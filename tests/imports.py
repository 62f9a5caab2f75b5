"""What modules import, read from their syntax trees: nothing is executed."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import statement's target.

    Attributes:
        name: Absolute dotted name; for ``from a import b`` it is ``a.b``, whether b is a module or not.
        line: Where it stands.
        runs: Whether importing the module that contains it executes it (not inside a function).
    """

    name: str
    line: int
    runs: bool

    @property
    def top(self) -> str:
        """The package that a distribution brings."""
        return self.name.partition(".")[0]


def imports_of(module: str, path: Path) -> list[Import]:
    """Every import of a file, except those for type checkers only."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return list(_walk(ast.parse(path.read_text(encoding="utf-8")), package, runs=True))


def _walk(node: ast.AST, package: str, *, runs: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, runs) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, package)
            yield from (Import(f"{base}.{alias.name}", child.lineno, runs) for alias in child.names)
        elif name := _dynamic(child):
            yield Import(name, getattr(child, "lineno", 0), runs)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, package, runs=runs and not is_function)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    parents = parents[: len(parents) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _dynamic(node: ast.AST) -> str:
    """Name in ``importlib.import_module("name")``, if that is what a node is."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
            return first.value
    return ""


def chain_to(start: str, forbidden: frozenset[str], modules: Mapping[str, Path]) -> list[str]:
    """How importing a module of ours ends in importing a forbidden package: the modules on the way; empty if not.

    Args:
        start: Dotted name of the module to import.
        forbidden: Top-level packages.
        modules: All modules of ours, dotted name to file.
    """
    came_from: dict[str, str | None] = {start: None}
    queue = deque([start])
    while queue:
        module = queue.popleft()
        for target in _executed(module, modules):
            if target.partition(".")[0] in forbidden:
                return [*_way(module, came_from), target]
            if target in modules and target not in came_from:
                came_from[target] = module
                queue.append(target)
    return []


def _executed(module: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """What importing a module executes: the packages around it, and around everything it imports."""
    names = [module, *(found.name for found in imports_of(module, modules[module]) if found.runs)]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _way(module: str | None, came_from: Mapping[str, str | None]) -> list[str]:
    way: list[str] = []
    while module is not None:
        way.insert(0, module)
        module = came_from[module]
    return way
