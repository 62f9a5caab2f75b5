"""Bytecode: Python runs a ``.pyc`` in place of a source file whenever the header of the ``.pyc`` says that it fits.

The header holds the modification time and size of the source, or a hash of it, or says not to look at the source at
all. None of this binds the code that follows, and RECORD has no hash for what Python compiles by itself. So: each
``.pyc`` that this interpreter would run is compared with what its source compiles to.
"""
# ruff: noqa: PTH100, PTH113, PTH116, PTH118, PTH119, PTH120, PTH123, PTH208 - one look at each of thousands of texts

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

from . import bytecode_worker

_OPTIMIZATIONS = {0: "", 1: 1, 2: 2}
"""What ``compile`` calls a level, and what the name of a ``.pyc`` has for it."""

_UNCHECKED = 0b01
_CHECKED = 0b11


def unchecked_bytecode(sources: Iterable[str]) -> Iterator[str]:
    """Yield each ``.pyc`` of these sources, whatever interpreter it is for, that is never compared with its source."""
    stems: dict[str, set[str]] = {}
    for source in sources:
        cached = importlib.util.cache_from_source(source)  # knows of PYTHONPYCACHEPREFIX
        stems.setdefault(os.path.dirname(cached), set()).add(os.path.basename(source)[: -len(".py")])
    for folder, names in sorted(stems.items()):
        for name in _listing(folder):
            if name.endswith(".pyc") and name.partition(".")[0] in names:
                path = os.path.join(folder, name)
                if _flags(_header(path)) == _UNCHECKED:
                    yield path


def changed_bytecode(sources: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield ``(pyc, what is wrong)`` for each ``.pyc`` that this interpreter would run and that is not its source."""
    wanted = [
        (pyc, source, level)
        for source in sources
        for level, tag in _OPTIMIZATIONS.items()
        if _would_run(pyc := importlib.util.cache_from_source(source, optimization=tag), source)
    ]
    yield from ((pyc, why) for (pyc, _, _), why in zip(wanted, _ask_worker(wanted), strict=True) if why)


def _ask_worker(wanted: list[tuple[str, str, int]]) -> list[str]:
    if not wanted:
        return []
    lines = "".join(json.dumps([os.path.abspath(pyc), os.path.abspath(source), n]) + "\n" for pyc, source, n in wanted)
    worker = [sys.executable, "-I", "-S", "-B", "-W", "ignore", os.path.abspath(bytecode_worker.__file__)]
    done = subprocess.run(worker, input=lines, capture_output=True, text=True, encoding="utf-8", check=False)
    answers = [str(json.loads(line)) for line in done.stdout.splitlines()]
    if len(answers) < len(wanted):  # it stopped at this one; those behind it are looked at by another
        rest = wanted[len(answers) + 1 :]
        answers = [*answers, f"ends the interpreter that reads it (exit code {done.returncode})", *_ask_worker(rest)]
    return answers


def _would_run(pyc: str, source: str) -> bool:
    """Whether this interpreter would run a ``.pyc`` in place of its source: the rules of ``importlib``."""
    header = _header(pyc)
    if header[:4] != importlib.util.MAGIC_NUMBER or len(header) < bytecode_worker.HEADER_BYTES:
        return False
    flags = _flags(header)
    if flags == _UNCHECKED:
        return True
    try:
        if flags == _CHECKED:
            with open(source, "rb") as file:
                return importlib.util.source_hash(file.read()) == header[8:16]
        status = os.stat(source)
    except OSError:
        return False
    expected = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return flags == 0 and expected == (int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little"))


def _flags(header: bytes) -> int:
    return int.from_bytes(header[4:8], "little") if len(header) >= 8 else 0


def _header(path: str) -> bytes:
    try:
        if not os.path.isfile(path):  # opening a pipe would wait for ever
            return b""
        with open(path, "rb", buffering=0) as file:
            return file.read(bytecode_worker.HEADER_BYTES)
    except OSError:
        return b""


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
