"""A program of its own: compares ``.pyc`` files with what their sources compile to, and runs none of them.

``marshal`` is not made for hostile data. Here it can crash nothing but this process; ``bytecode`` starts it with ``-I
-S``, gives it lines ``[pyc, source, optimization]`` and gets one line back for each: an empty text, or what is wrong.
It imports nothing of inference-pio, so that it starts at once.
"""

from __future__ import annotations

import json
import marshal
import sys
import types

HEADER_BYTES = 16


def fault(pyc: str, source: str, optimization: int) -> str:
    """Say how a ``.pyc`` differs from its source; empty when it does not."""
    with open(pyc, "rb") as file:  # noqa: PTH123 - pathlib would double the start-up time of this process
        file.seek(HEADER_BYTES)
        data = file.read()
    with open(source, "rb") as file:  # noqa: PTH123 - the same
        text = file.read()
    try:
        there = marshal.loads(data)
    except (EOFError, ValueError, TypeError):
        return "is not readable"
    try:
        expected = compile(text, source, "exec", dont_inherit=True, optimize=optimization)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"has a source that does not compile: {type(error).__name__}"
    return "" if is_same(there, expected) else "is not what its source compiles to"


def is_same(one: object, other: object) -> bool:
    """Whether two code objects do the same. The equality of code objects leaves out where they were compiled."""
    if not isinstance(one, types.CodeType) or not isinstance(other, types.CodeType):
        return one == other
    # Some versions compare code objects without the table that says where exceptions are caught.
    if one != other or getattr(one, "co_exceptiontable", b"") != getattr(other, "co_exceptiontable", b""):
        return False
    pairs = zip(one.co_consts, other.co_consts, strict=True)
    return all(is_same(a, b) for a, b in pairs if isinstance(a, types.CodeType))


def main() -> None:
    """Answer each line of standard input with one line of standard output."""
    for line in sys.stdin:
        try:
            answer = fault(*json.loads(line))
        except OSError as error:
            answer = f"cannot be compared: {error.strerror}"
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer of this program


if __name__ == "__main__":
    main()
