"""The error tree and the exit codes, from the classes themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from inference_pio.cli.failures import EXIT_CODES
from inference_pio.errors import InferencePioError

ErrorClass = type[InferencePioError]


def exit_codes_table() -> str:
    """Render what each exit code of the command line means."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def errors_page() -> str:
    """Render the tree of classes, then each class with its exit code and meaning."""
    tree = [(depth, error) for depth, error in _walk(InferencePioError, 0) if _is_own(error)]
    drawing = "\n".join(f"{'    ' * depth}{error.__name__}" for depth, error in tree)
    rows = [
        f"| `{error.__name__}` | {error.exit_code} | {_builtins(error)} | {_first_line(error)} |" for _, error in tree
    ]
    header = "| class | exit code | also a | raised when |\n|---|---|---|---|\n"
    return f"```text\n{drawing}\n```\n\n{header}" + "\n".join(rows)


def _walk(error: ErrorClass, depth: int) -> Iterator[tuple[int, ErrorClass]]:
    yield depth, error
    for child in sorted(error.__subclasses__(), key=lambda child: child.__name__):
        yield from _walk(child, depth + 1)


def _is_own(error: ErrorClass) -> bool:
    """Whether the tree of the host has it: a plugin may derive errors of its own."""
    return error.__module__ == InferencePioError.__module__ and not error.__name__.startswith("_")


def _builtins(error: ErrorClass) -> str:
    found = [base.__name__ for base in error.__bases__ if not issubclass(base, InferencePioError)]
    return ", ".join(f"`{name}`" for name in found if name != "Exception")


def _first_line(error: ErrorClass) -> str:
    return inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
