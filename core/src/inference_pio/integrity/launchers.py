"""The commands that an installer writes into ``bin/``: do they call their entry point and nothing else?

Their bytes differ from one environment to the next (the path of the interpreter) and from one installer to the next,
so a lock cannot hold their hash. What they do is always the same, and little enough to be read.
"""

from __future__ import annotations

import ast
import os
import re
import sys

MAX_LAUNCHER_BYTES = 20_000
_LONG = re.compile(r"""#!/bin/sh\n'''exec' (?P<python>"[^"\n]+"|[^"'\s$`]+) "\$0" "\$@"\n' '''\n""")
"""What pip and uv write where the path of the interpreter is too long, or has a space, for a ``#!`` line."""

_RELOCATABLE = "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n"
"""What uv writes in an environment that may be moved."""

_NODES = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.If, ast.Compare, ast.Eq, ast.Assign, ast.Expr, ast.Call,
    ast.Attribute, ast.Name, ast.Constant, ast.Subscript, ast.Slice, ast.UnaryOp, ast.USub, ast.Load, ast.Store,
)  # fmt: skip
_CALLS = {"re.sub", "sys.exit", "sys.argv[0].endswith", "sys.argv[0].removesuffix"}


def launcher_fault(path: str, module: str, attribute: str) -> str:
    """Say what is wrong with a launcher; empty when it does what it should.

    Args:
        path: Of the launcher.
        module: Of its entry point.
        attribute: The function in that module, dotted.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123 - every path of a scan is a text
            text = file.read(MAX_LAUNCHER_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot be read: {error}"
    if len(text) > MAX_LAUNCHER_BYTES:
        return f"is longer than {MAX_LAUNCHER_BYTES} characters"
    return _interpreter_fault(text, path) or _code_fault(text, module, attribute)


def _interpreter_fault(text: str, path: str) -> str:
    if text.startswith(_RELOCATABLE):
        return ""
    long = _LONG.match(text)
    python = long["python"].strip('"') if long else text.partition("\n")[0].removeprefix("#!").strip()
    # Beside the launcher, which may be another interpreter's environment, or where this very interpreter lies.
    beside = os.path.dirname(path)  # noqa: PTH120 - every path of a scan is a text
    if os.path.isabs(python) and not re.search(r"\s-", python):  # noqa: PTH117 - the same
        is_beside = os.path.realpath(os.path.dirname(python)) == os.path.realpath(beside)  # noqa: PTH120 - the same
        is_python = os.path.basename(python).startswith(("python", "pypy"))  # noqa: PTH119 - the same
        if (is_beside and is_python) or os.path.realpath(python) == os.path.realpath(sys.executable):
            return ""
    return f"runs {python!r}, which is not the Python of this environment"


def _code_fault(text: str, module: str, attribute: str) -> str:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "is no Python program"
    calls = 0
    for node in ast.walk(tree):
        if not isinstance(node, _NODES) or not _is_expected(node, module, attribute):
            line = getattr(node, "lineno", 0)
            return f"does more than to call {module}:{attribute}{f' (line {line})' if line else ''}"
        calls += isinstance(node, ast.Call) and ast.unparse(node.func) == attribute
    return "" if calls == 1 else f"does not call {module}:{attribute}"


def _is_expected(node: ast.AST, module: str, attribute: str) -> bool:
    root = attribute.partition(".")[0]
    if isinstance(node, ast.Import):
        return all(alias.name in ("re", "sys") and alias.asname is None for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        names = [(alias.name, alias.asname) for alias in node.names]
        return (node.module, node.level, names) == (module, 0, [(root, None)])
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets] == ["sys.argv[0]"]
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in {*_CALLS, attribute} and not node.keywords
    if isinstance(node, ast.Name):
        return node.id in {"re", "sys", "__name__", root}
    return True
