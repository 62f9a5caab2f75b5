"""Hook implementations as their syntax tree shows them: names and arguments against the hook specifications."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from .. import hookspecs
from ..hook_registry import HOOK_PREFIX
from ..installed import EntryPointRef
from ..names import nearest_names
from .findings import Finding, finding
from .syntax import Assignment, Definition, Function, Module, Modules, assigned_names, dotted_name, executed_statements

_MARKER = "hookimpl"


@functools.cache
def hook_arguments() -> dict[str, tuple[str, ...]]:
    """Every hook with its arguments."""
    functions = inspect.getmembers(hookspecs, inspect.isfunction)
    return {name: tuple(inspect.signature(f).parameters) for name, f in functions if name.startswith(HOOK_PREFIX)}


@dataclass(frozen=True)
class _Hook:
    """A function that could implement a hook."""

    module: Module
    node: Function
    is_method: bool

    @property
    def marker(self) -> ast.expr | None:
        """Its ``hookimpl`` decorator."""
        return next((d for d in self.node.decorator_list if _decorator(d).rpartition(".")[2] == _MARKER), None)

    @property
    def options(self) -> dict[str, object]:
        """Constant keyword arguments of the decorator."""
        keywords = self.marker.keywords if isinstance(self.marker, ast.Call) else []
        return {k.arg: k.value.value for k in keywords if k.arg and isinstance(k.value, ast.Constant)}

    @property
    def hook(self) -> str:
        """Name of the hook it implements."""
        return str(self.options.get("specname") or self.node.name)

    @property
    def arguments(self) -> list[str]:
        """What pluggy will pass: positional arguments without a default."""
        plain = [a.arg for a in (*self.node.args.posonlyargs, *self.node.args.args)]
        asked = plain[: len(plain) - len(self.node.args.defaults)]
        is_static = any(_decorator(d) == "staticmethod" for d in self.node.decorator_list)
        return asked[1:] if self.is_method and not is_static else asked


def _decorator(node: ast.expr) -> str:
    return dotted_name(node.func if isinstance(node, ast.Call) else node)


def hook_findings(reference: EntryPointRef, modules: Modules) -> Iterator[Finding]:
    """Check the implementations of a hook plugin."""
    module = modules.get(reference.module)
    if module is None:
        return
    hooks = list(
        _of_object(reference.attribute, module, modules) if reference.attribute else _of_module(module, modules)
    )
    yield from _all_findings(hooks, modules)
    is_visible = not reference.attribute or bool(hooks)
    if is_visible and not any(hook.marker for hook in hooks):
        message = f"{reference.module} implements no hook that can be seen"
        yield finding("no-hooks", message, modules.files.shown(module.file))


def model_hook_findings(reference: EntryPointRef, class_name: str, modules: Modules) -> Iterator[Finding]:
    """Check the hooks that a model's own class implements, if any."""
    module = modules.get(reference.module)
    if module is not None and class_name:
        yield from _all_findings(list(_of_object(class_name, module, modules)), modules)


def _of_module(module: Module, modules: Modules) -> Iterator[_Hook]:
    """Functions of a module, those that it imports from its siblings included."""
    for node in executed_statements(module.tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield _Hook(module, node, is_method=False)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found = modules.resolve(module, alias.asname or alias.name)
                if isinstance(found, Definition) and not isinstance(found.node, ast.ClassDef):
                    yield _Hook(found.module, found.node, is_method=False)


def _of_object(name: str, module: Module, modules: Modules) -> Iterator[_Hook]:
    """Methods of a class, or of the class that ``name = Class()`` makes an object of."""
    found = modules.resolve(module, name)
    if not isinstance(found, Definition):
        values = [n.value for n in module.tree.body if isinstance(n, Assignment) and name in assigned_names(n)]
        made_by = values[-1].func if values and isinstance(values[-1], ast.Call) else None
        found = modules.resolve(module, made_by.id) if isinstance(made_by, ast.Name) else None
    if isinstance(found, Definition) and isinstance(found.node, ast.ClassDef):
        for node in found.node.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield _Hook(found.module, node, is_method=True)


def _all_findings(hooks: list[_Hook], modules: Modules) -> Iterator[Finding]:
    for hook in hooks:
        where = f"{modules.files.shown(hook.module.file)}:{hook.node.lineno}"
        if hook.marker is not None:
            yield from _marked(hook, where)
        elif hook.node.name in hook_arguments():
            message = f"{hook.node.name} is named like a hook but lacks @hookimpl, so it is never called"
            yield finding("hook-unmarked", message, where)


def _marked(hook: _Hook, where: str) -> Iterator[Finding]:
    known = hook_arguments()
    if hook.options.get("wrapper") or hook.options.get("hookwrapper"):
        yield finding("hook-wrapper", f"{hook.hook} is a wrapper; the host calls hooks one by one", where)
        return
    if hook.hook not in known:
        if not hook.options.get("optionalhook"):
            near = nearest_names(hook.hook, known, limit=1)
            more = f"; did you mean {near[0]}?" if near else ""
            yield finding("hook-unknown", f"there is no hook {hook.hook}{more}", where)
        return
    strange = [name for name in hook.arguments if name not in known[hook.hook]]
    if strange:
        has = ", ".join(known[hook.hook]) or "no arguments"
        message = f"{hook.hook} asks for {', '.join(strange)}; the hook has {has}"
        yield finding("hook-argument-unknown", message, where)
