"""Syntax trees of a target's modules, and what the names in them stand for. Nothing is executed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from .file_tree import FileTree
from .subject import folder_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
Assignment = (ast.Assign, ast.AnnAssign, ast.AugAssign)
Scope = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Python = tuple[int, int]

_MOST_STEPS = 20
"""Re-exports followed for one name; more is a circle."""


@dataclass(frozen=True, eq=False)
class Module:
    """One parsed module.

    Attributes:
        name: Dotted.
        file: Its path in the file tree.
        tree: The syntax tree.
    """

    name: str
    file: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.file.endswith("/__init__.py") else self.name.rpartition(".")[0]

    def absolute(self, node: ast.ImportFrom) -> str:
        """Dotted name of what ``from … import`` takes things from."""
        if not node.level:
            return node.module or ""
        parents = self.package.split(".")
        parents = parents[: len(parents) - node.level + 1]
        return ".".join([*parents, *([node.module] if node.module else [])])


@dataclass(frozen=True)
class Definition:
    """A class or function, and the module that defines it."""

    module: Module
    node: ast.ClassDef | Function


@dataclass(frozen=True)
class Elsewhere:
    """A name that exists, but whose definition cannot be seen.

    Attributes:
        name: Dotted, as far as it is known; ``""`` for a computed value.
    """

    name: str = ""


@dataclass
class Modules:
    """The modules of a file tree, parsed when they are asked for.

    Attributes:
        files: Where they lie.
        oldest: The Python whose grammar they must keep to.
        errors: Why a file has no syntax tree: file -> (line, what).
    """

    files: FileTree
    oldest: Python
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    _parsed: dict[str, Module | None] = field(default_factory=dict)

    def file_of(self, name: str) -> str | None:
        """The source file of a module, ``None`` when the tree has none."""
        path = folder_of(name)
        return next((file for file in (f"{path}/__init__.py", f"{path}.py") if file in self.files), None)

    def get(self, name: str) -> Module | None:
        """Return a module; ``None`` when the tree has no source for it, or none that can be parsed."""
        if name not in self._parsed:
            file = self.file_of(name)
            tree = self._parse(file) if file else None
            self._parsed[name] = Module(name, file, tree) if file and tree else None
        return self._parsed[name]

    def below(self, package: str) -> Iterator[Module]:
        """Yield the modules of a package, itself included; those that cannot be parsed land in ``errors``."""
        path = folder_of(package)
        for file in self.files.names:
            if file.endswith(".py") and (file == f"{path}.py" or file.startswith(f"{path}/")):
                module = self.get(_module_name(file))
                if module is not None:
                    yield module

    def _parse(self, file: str) -> ast.Module | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an author's escape sequences are the linter's business
                tree = ast.parse(self.files.read(file), filename=file, feature_version=self.oldest)
                compile(
                    tree, file, "exec", dont_inherit=True
                )  # finds what grammar alone allows: a late __future__, say
                return tree
        except SyntaxError as error:
            self.errors[file] = (error.lineno or 1, error.msg)
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            self.errors[file] = (1, str(error) or type(error).__name__)
        return None

    def resolve(self, module: Module, name: str) -> Definition | Elsewhere | None:
        """Say what a module's top-level name stands for, followed through imports within the tree.

        Returns:
            ``None`` when the module certainly has no such name.
        """
        for _ in range(_MOST_STEPS):
            found = _binding(module, name)
            if not isinstance(found, _Imported):
                return found
            if self.file_of(f"{found.source}.{found.name}"):
                return Elsewhere(f"{found.source}.{found.name}")  # a module, not something in one
            source = self.get(found.source)
            if source is None:
                return Elsewhere(f"{found.source}.{found.name}")
            module, name = source, found.name
        return Elsewhere()


def _module_name(file: str) -> str:
    parts = file[: -len(".py")].split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True)
class _Imported:
    source: str
    name: str


def _binding(module: Module, name: str) -> Definition | Elsewhere | _Imported | None:
    """The last thing that a module's top level binds a name to; names that only type checkers see do not count."""
    found: Definition | Elsewhere | _Imported | None = None
    is_open = False
    for node in executed_statements(module.tree.body):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            is_open |= node.name == "__getattr__"
            found = Definition(module, node) if node.name == name else found
        elif isinstance(node, ast.ImportFrom):
            is_open |= any(alias.name == "*" for alias in node.names)
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    found = _Imported(module.absolute(node), alias.name)
        elif isinstance(node, ast.Import):
            if any((alias.asname or alias.name.partition(".")[0]) == name for alias in node.names):
                found = Elsewhere(name)
        elif name in assigned_names(node):
            found = Elsewhere()
    return Elsewhere() if found is None and is_open else found


def assigned_names(node: ast.stmt) -> set[str]:
    """Return the names that a statement assigns to; an annotation without a value binds none."""
    if not isinstance(node, Assignment):
        return set()
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def executed_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module's level, those inside ``if``, ``try``, ``with`` and loops included, in order.

    Without what never runs on import: blocks for type checkers and for ``__main__``.
    """
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        blocks = list(_blocks(node))
        waiting += [statement for block in reversed(blocks) for statement in reversed(block)]


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    if not (isinstance(node, ast.If) and is_never_on_import(node.test)):
        yield getattr(node, "body", [])
    for handler in getattr(node, "handlers", []):
        yield handler.body
    for case in getattr(node, "cases", []):
        yield case.body
    yield getattr(node, "orelse", [])
    yield getattr(node, "finalbody", [])


def is_never_on_import(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING`` or ``__name__ == "__main__"``."""
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__":
        return isinstance(test.ops[0], ast.Eq)
    return dotted_name(test).rpartition(".")[2] == "TYPE_CHECKING"


def dotted_name(node: ast.AST) -> str:
    """``a.b.c`` for such an expression; empty for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *parts]) if isinstance(node, ast.Name) else ""


def executed_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield every node that importing the module evaluates: bodies of functions are left out, of classes are not."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(list(_evaluated(node)))


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from node.decorator_list
        yield from (value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None)
    elif isinstance(node, ast.Lambda):
        yield from (value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None)
    elif isinstance(node, ast.If) and is_never_on_import(node.test):
        yield from node.orelse
    else:
        yield from ast.iter_child_nodes(node)
