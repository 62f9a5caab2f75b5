"""What modules import, read from their syntax trees, and what importing one module therefore executes."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .syntax import Module, Modules, Scope, executed_statements, is_never_on_import


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
        """The top-level package."""
        return self.name.partition(".")[0]


def imports_of(module: Module) -> Iterator[Import]:
    """Yield every import of a module, except those for type checkers only."""
    waiting: deque[tuple[ast.AST, bool]] = deque([(module.tree, True)])
    while waiting:
        node, runs = waiting.popleft()
        yield from _targets(node, module, runs)
        if isinstance(node, ast.If) and is_never_on_import(node.test):
            waiting.extend((child, runs) for child in node.orelse)
            continue
        waiting.extend((child, runs and not isinstance(node, Scope)) for child in ast.iter_child_nodes(node))


def _targets(node: ast.AST, module: Module, runs: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, runs) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = module.absolute(node)
        yield from (Import(f"{base}.{alias.name}", node.lineno, runs) for alias in node.names)
    elif isinstance(node, ast.Call) and (name := _dynamic(node)):
        yield Import(name, node.lineno, runs)


def _dynamic(node: ast.Call) -> str:
    """Name in ``importlib.import_module("name")`` or ``__import__("name")``, if that is what a call is."""
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = node.args[0] if node.args else None
    if function not in ("import_module", "__import__") or not isinstance(first, ast.Constant):
        return ""
    return first.value if isinstance(first.value, str) and not first.value.startswith(".") else ""


@dataclass(frozen=True)
class Executed:
    """A module that importing another one executes.

    Attributes:
        module: It.
        way: Dotted names from the imported module to this one.
    """

    module: Module
    way: tuple[str, ...]


def executed_by(start: str, modules: Modules) -> Iterator[Executed]:
    """Yield the modules of the tree that importing ``start`` executes: packages around it, and what each imports."""
    seen: set[str] = set()
    waiting: deque[tuple[str, tuple[str, ...]]] = deque([(name, ()) for name in _with_parents(start)])
    while waiting:
        name, way = waiting.popleft()
        module = modules.get(name) if name not in seen else None
        seen.add(name)
        if module is None:
            continue
        yield Executed(module, (*way, name))
        targets = (found.name for found in imports_of(module) if found.runs)
        waiting.extend((part, (*way, name)) for target in targets for part in _with_parents(target))


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def aliases_of(module: Module) -> Mapping[str, str]:
    """What the names of a module stand for: ``{"np": "numpy", "environ": "os.environ"}``.

    Names of its own stand for themselves (``{"print": ".print"}``), so that nobody takes them for builtins.
    """
    found: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            source = "" if node.level else node.module
            found.update({alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names})
    for statement in executed_statements(module.tree.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.setdefault(statement.name, f".{statement.name}")
    return found
