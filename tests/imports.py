"""What modules import, read from their syntax trees by the code behind ``inference-pio check``: nothing is executed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from inference_pio.checking.file_tree import FileTree, file_reader
from inference_pio.checking.imports import Import, executed_by
from inference_pio.checking.imports import imports_of as imports_in
from inference_pio.checking.python_versions import oldest
from inference_pio.checking.syntax import Modules

PYTHON = oldest([">=3.10"])


def parsed_modules(modules: Mapping[str, Path]) -> Modules:
    """Syntax trees of modules, parsed when they are asked for.

    Args:
        modules: Dotted name to file.
    """
    names = {
        f"{name.replace('.', '/')}{'/__init__' * (path.name == '__init__.py')}.py": path
        for name, path in modules.items()
    }
    return Modules(FileTree({name: file_reader(path) for name, path in names.items()}), PYTHON)


@functools.cache
def imports_of(module: str, path: Path) -> tuple[Import, ...]:
    """Every import of a file, except those for type checkers only."""
    return tuple(imports_in(found)) if (found := parsed_modules({module: path}).get(module)) else ()


def chain_to(start: str, forbidden: frozenset[str], modules: Modules) -> list[str]:
    """How importing a module of ours ends in importing a forbidden package: the modules on the way; empty if not.

    Args:
        start: Dotted name of the module to import.
        forbidden: Top-level packages.
        modules: All modules of ours.
    """
    for executed in executed_by(start, modules):
        for found in imports_in(executed.module):
            if found.runs and found.top in forbidden:
                return [*executed.way, found.name]
    return []
