from __future__ import annotations

import importlib.util
import marshal
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference_pio.integrity.bytecode import changed_bytecode, unchecked_bytecode

SOURCE = """\
import re
KEYS = frozenset({"a", "b", 3.5})
def f(x, *, y=(1, 2)):
    'Docstring.'
    try:
        return [i for i in x if i in {"p", "q"}]
    except ValueError:
        return lambda: y
class A:
    def g(self): return f"{self!r}"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    return path


def cached(source: Path, optimization: int = 0) -> Path:
    return Path(importlib.util.cache_from_source(str(source), optimization=optimization or ""))


def forge(source: Path, code: str, mode: str = "timestamp") -> Path:
    """Write a .pyc with a header that fits the source, and other code behind it."""
    modes = {name.lower(): mode for name, mode in py_compile.PycInvalidationMode.__members__.items()}
    pyc = Path(str(py_compile.compile(str(source), invalidation_mode=modes[mode])))
    pyc.write_bytes(pyc.read_bytes()[:16] + marshal.dumps(compile(code, str(source), "exec", dont_inherit=True)))
    return pyc


def changed(source: Path) -> list[tuple[str, str]]:
    return list(changed_bytecode([str(source)]))


@pytest.mark.parametrize("optimization", [0, 1, 2])
def test_what_python_compiles_itself_is_fine(source: Path, optimization: int) -> None:
    py_compile.compile(str(source), optimize=optimization)
    assert cached(source, optimization).is_file()
    assert changed(source) == []


def test_bytecode_compiled_in_another_process_and_place_is_fine(source: Path, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere" / "module.py"
    there.parent.mkdir()
    shutil.copy2(source, there)  # with its modification time, as an installer unpacks it
    subprocess.run([sys.executable, "-m", "py_compile", there], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    cached(source).parent.mkdir()
    shutil.copy2(cached(there), cached(source))
    assert changed(source) == []


@pytest.mark.parametrize("mode", ["timestamp", "checked_hash", "unchecked_hash"])
@pytest.mark.parametrize(
    "code",
    ["print('evil')", SOURCE.replace("'Docstring.'", "'Dogstring.'"), SOURCE.replace("ValueError", "KeyError")],
    ids=["other", "docstring", "name"],
)
def test_bytecode_that_fits_its_source_by_the_header_only_is_told(source: Path, mode: str, code: str) -> None:
    pyc = forge(source, code, mode)
    assert changed(source) == [(str(pyc), "is not what its source compiles to")]


def test_what_python_would_run_is_what_is_told(source: Path) -> None:
    forge(source, "print('evil')")
    ran = subprocess.run(
        [sys.executable, "-B", "-c", "import module"], cwd=source.parent, capture_output=True, text=True
    )
    assert ran.stdout == "evil\n", "the attack works"
    os.utime(source, (1, 1))
    ran = subprocess.run(
        [sys.executable, "-B", "-c", "import module"], cwd=source.parent, capture_output=True, text=True
    )
    assert ran.stdout == "", "Python compiles the source again"
    assert changed(source) == []


def test_bytecode_of_another_version_is_none_of_this_interpreters_business(source: Path) -> None:
    pyc = forge(source, "print('evil')")
    pyc.write_bytes(b"\0\0\r\n" + pyc.read_bytes()[4:])
    assert changed(source) == []


def test_bytecode_for_a_source_that_does_not_compile_is_told(source: Path) -> None:
    pyc = forge(source, "print('evil')")
    stat = source.stat()
    source.write_text("(" + " " * (stat.st_size - 1))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert changed(source) == [(str(pyc), "has a source that does not compile: SyntaxError")]


def test_garbage_is_told_and_the_files_behind_it_are_still_compared(tmp_path: Path) -> None:
    sources = []
    for name in "abc":
        sources.append(tmp_path / f"{name}.py")
        sources[-1].write_text("x = 1\n")
    garbage, fine, forged = (forge(source, "x = 1\n") for source in sources)
    garbage.write_bytes(garbage.read_bytes()[:16] + b"\xff" * 30)
    forged = forge(sources[2], "x = 2")
    found = list(changed_bytecode(map(str, sources)))
    assert found == [(str(garbage), "is not readable"), (str(forged), "is not what its source compiles to")]
    assert fine.is_file()


def test_bytecode_that_kills_its_reader_is_told_and_kills_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import sys, os, json\nfor line in sys.stdin:\n"
        "    if 'a.py' in line: os.kill(os.getpid(), 9)\n    print(json.dumps(''), flush=True)\n"
    )
    monkeypatch.setattr("inference_pio.integrity.bytecode_worker.__file__", str(worker))
    sources = [tmp_path / "a.py", tmp_path / "b.py"]
    for source in sources:
        source.write_text("x = 1\n")
        forge(source, "x = 1\n")
    ((path, why),) = changed_bytecode(map(str, sources))
    assert (path, why) == (str(cached(sources[0])), "ends the interpreter that reads it (exit code -9)")


def test_bytecode_that_is_never_compared_with_its_source_is_told_whoever_it_is_for(source: Path) -> None:
    pyc = forge(source, SOURCE, "unchecked_hash")
    assert changed(source) == [], "it is the source's"
    other = pyc.with_name("module.cpython-399.pyc")
    shutil.copy2(pyc, other)
    assert sorted(unchecked_bytecode([str(source)])) == sorted([str(pyc), str(other)])
    forge(source, SOURCE, "checked_hash")
    assert list(unchecked_bytecode([str(source)])) == [str(other)]


def test_bytecode_that_is_no_file_is_skipped(source: Path) -> None:
    cached(source).parent.mkdir()
    os.mkfifo(cached(source))
    assert changed(source) == []
    assert list(unchecked_bytecode([str(source)])) == []
