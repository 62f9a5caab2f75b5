"""The code that a model's entry point promises, as far as its syntax tree shows it: module, class and factory."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..installed import EntryPointRef
from ..interfaces import EmbeddingModelPlugin, ModelPlugin, TextModelPlugin
from ..loading import REQUIRED_MEMBERS
from .findings import Finding, finding
from .syntax import Definition, Elsewhere, Function, Module, Modules, Scope, dotted_name

_INTERFACES: dict[str, type] = {
    f"{module}.{interface.__name__}": interface
    for module in ("inference_pio", "inference_pio.interfaces")
    for interface in (ModelPlugin, TextModelPlugin, EmbeddingModelPlugin)
}
_PLAIN_BASES = frozenset({"object", "ABC", "abc.ABC", "Protocol", "typing.Protocol", "Generic", "typing.Generic"})


def module_findings(reference: EntryPointRef, modules: Modules, where: str) -> Iterator[Finding]:
    """Check that the module of an entry point exists; whether it parses is asked for all modules at once."""
    if modules.file_of(reference.module) is None:
        message = f"the entry point names the module {reference.module}, which is not there"
        yield finding("module-not-found", message, where)


def model_code_findings(reference: EntryPointRef, class_name: str, modules: Modules) -> Iterator[Finding]:
    """Check class and factory.

    Args:
        reference: The model's entry point.
        class_name: What the manifest calls the class; empty when there is no sound manifest.
        modules: Of the target.
    """
    module = modules.get(reference.module)
    if module is None:
        return
    where = modules.files.shown(module.file)
    plugin = modules.resolve(module, class_name) if class_name else None
    if class_name and plugin is None:
        yield finding("class-not-found", f"{reference.module} has no class {class_name!r}", where)
    if isinstance(plugin, Definition):
        yield from _class(plugin, modules)
    factory = modules.resolve(module, reference.attribute.split(".")[0])
    if factory is None:
        yield finding("factory-not-found", f"{reference.module} has no function {reference.attribute!r}", where)
    elif isinstance(factory, Definition) and isinstance(factory.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from _factory(factory.module, factory.node, class_name, modules)


def _class(plugin: Definition, modules: Modules) -> Iterator[Finding]:
    where = f"{modules.files.shown(plugin.module.file)}:{plugin.node.lineno}"
    if not isinstance(plugin.node, ast.ClassDef):
        yield finding("class-not-found", f"{plugin.node.name!r} is not a class but a function", where)
        return
    missing = missing_members(plugin, modules)
    if missing:
        yield finding(
            "class-incomplete", f"{plugin.node.name} lacks members of ModelPlugin: {', '.join(missing)}", where
        )


def missing_members(plugin: Definition, modules: Modules) -> list[str]:
    """Members of ``ModelPlugin`` that a class certainly lacks; none when one of its bases cannot be seen."""
    wanted = {*REQUIRED_MEMBERS, "manifest"}
    has: set[str] = set()
    waiting: list[Definition] = [plugin]
    seen: set[ast.AST] = set()
    while waiting:
        current = waiting.pop()
        node = current.node
        if not isinstance(node, ast.ClassDef) or node.keywords or node.decorator_list:
            return []  # a metaclass or a decorator may add anything
        if node in seen:
            continue
        seen.add(node)
        has |= _members(node)
        for base in node.bases:
            found = _base(base, current.module, modules)
            if isinstance(found, Definition):
                waiting.append(found)
            elif isinstance(found, type):
                abstract = set(getattr(found, "__abstractmethods__", ()))
                wanted |= abstract
                has |= set(dir(found)) - abstract
            elif found is None:
                return []
    return sorted(wanted - has)


def _base(node: ast.expr, module: Module, modules: Modules) -> Definition | type | str | None:
    """A base class: one of the target, one of the host's interfaces, a plain one (a text), or unknown (``None``)."""
    name = dotted_name(node.value if isinstance(node, ast.Subscript) else node)
    if name in _PLAIN_BASES:
        return name
    first, _, rest = name.partition(".")
    found = modules.resolve(module, first) if first else None
    if isinstance(found, Definition):
        return found if not rest else None
    full = f"{found.name}.{rest}" if isinstance(found, Elsewhere) and rest else getattr(found, "name", "")
    return _INTERFACES.get(full) or (full if full in _PLAIN_BASES else None)


def _members(node: ast.ClassDef) -> set[str]:
    found = set()
    for statement in node.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign):
            found |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            found.add(statement.target.id)
    # Of all members only the manifest may belong to the object: methods are looked up on the class.
    assigned = (part for part in ast.walk(node) if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store))
    return found | ({"manifest"} if any(dotted_name(part) == "self.manifest" for part in assigned) else set())


def _factory(module: Module, node: Function, class_name: str, modules: Modules) -> Iterator[Finding]:
    where = f"{modules.files.shown(module.file)}:{node.lineno}"
    inner = list(_own_nodes(node))
    if isinstance(node, ast.AsyncFunctionDef):
        yield finding("factory-not-plain", f"{node.name}() is async: calling it returns no plugin", where)
        return
    if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in inner):
        yield finding("factory-not-plain", f"{node.name}() is a generator: calling it returns no plugin", where)
        return
    if node.decorator_list:
        return  # a decorator may change arguments and result
    required = _required_arguments(node.args)
    if required:
        yield finding("factory-needs-arguments", f"{node.name}() asks for {', '.join(required)}", where)
    other = _other_result(module, node, inner, class_name, modules) if class_name else ""
    if other:
        yield finding("factory-returns-other", f"{node.name}() returns {other}, not {class_name}", where)


def _own_nodes(node: Function) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions inside it."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, (*Scope, ast.ClassDef)):
            waiting += ast.iter_child_nodes(part)


def _required_arguments(arguments: ast.arguments) -> list[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    required = plain[: len(plain) - len(arguments.defaults)]
    keyword = [a for a, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value is None]
    return [argument.arg for argument in (*required, *keyword)]


def _other_result(module: Module, node: Function, inner: list[ast.AST], class_name: str, modules: Modules) -> str:
    """What a factory certainly returns instead of the class; empty when it returns that, or cannot be seen."""
    returned = [part.value for part in inner if isinstance(part, ast.Return) and part.value is not None]
    if not returned:
        return "nothing"
    for value in returned:
        if isinstance(value, (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr)):
            return "no object of a class" if not isinstance(value, ast.Constant) else repr(value.value)
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
            continue
        found = modules.resolve(module, value.func.id)
        if isinstance(found, Definition) and isinstance(found.node, ast.ClassDef) and found.node.name != class_name:
            return found.node.name
    return ""
