"""Compiles the kernels: one shared library, one file per instruction set with flags of its own.

Used by the build hook, and by itself for sanitizers and cross compilers:
``python building.py OUT [--cxx CXX] [FLAG ...]``.
Nothing here depends on the machine that compiles (no ``-march=native``): the library chooses when it is loaded.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent / "csrc"
# No -ffast-math: infinity and NaN must behave. No contraction: what is a multiply-add says so.
FLAGS = (
    "-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno",
    "-Wall", "-Wextra", "-Wno-unknown-warning-option",
)  # fmt: skip
_AVX2 = ("-mavx2", "-mfma", "-mf16c")
# gcc's own header declares undefined registers in a way that -Wall reports (gcc bug 105593).
_AVX512 = (
    *_AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-Wno-uninitialized", "-Wno-maybe-uninitialized",
)  # fmt: skip
ISA_FLAGS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "x86_64": {
        "isa_plain": (),
        "isa_avx2": _AVX2,
        "isa_avx512": _AVX512,
        "isa_avx512vnni": (*_AVX512, "-mavx512vnni"),
    },
    "aarch64": {"isa_plain": (), "isa_neon": ("-march=armv8.2-a+dotprod+fp16",)},
}
_SAME_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}


class BuildError(Exception):
    """The library could not be compiled; the text says why, for people."""


def find_compiler() -> list[str]:
    """Return the command of the C++ compiler: ``$CXX``, else g++, clang++ or c++.

    Raises:
        BuildError: There is none.
    """
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("g++", "clang++", "c++"):
        if shutil.which(name):
            return [name]
    raise BuildError("no C++ compiler: none of g++, clang++ and c++ is installed, and CXX is not set")


def target_machine(compiler: Sequence[str]) -> str:
    """Return what the compiler compiles for, ``x86_64`` or ``aarch64``; another name gets the plain kernels only."""
    triple = _run([*compiler, "-dumpmachine"])
    machine = triple.split("-")[0].lower() or platform.machine().lower()
    return _SAME_MACHINE.get(machine, machine)


def build_library(out: Path, *, compiler: Sequence[str] | None = None, extra: Sequence[str] = ()) -> None:
    """Compile and link into ``out``, which appears whole or not at all.

    Args:
        out: The shared library.
        compiler: Command; found when ``None``.
        extra: Flags for every compilation and the link, such as ``-fsanitize=address``.

    Raises:
        BuildError: The compiler is missing or failed; holds the first lines that it said.
    """
    command = list(compiler) if compiler is not None else find_compiler()
    per_isa = ISA_FLAGS.get(target_machine(command), {"isa_plain": ()})
    common = [path for path in sorted(SOURCES.glob("*.cpp")) if not path.stem.startswith("isa_")]
    units = [(path, ()) for path in common] + [(SOURCES / f"{name}.cpp", flags) for name, flags in per_isa.items()]
    with tempfile.TemporaryDirectory() as folder:

        def compile_unit(unit: tuple[Path, Sequence[str]]) -> str:
            source, flags = unit
            target = str(Path(folder) / f"{source.stem}.o")
            _run([*command, *FLAGS, *flags, *extra, "-c", str(source), "-o", target])
            return target

        # Longest first: the instruction sets' files take most of the time.
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            objects = list(workers.map(compile_unit, reversed(units)))
        linked = Path(folder) / "linked"
        _run([*command, "-shared", *extra, *objects, "-o", str(linked), "-pthread"])
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
        shutil.copyfile(linked, partial)
        partial.replace(out)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[:12])
        raise BuildError(f"{shlex.join(command)} failed with code {done.returncode}:\n{said}")
    if done.stderr:
        sys.stderr.write(done.stderr)  # warnings
    return done.stdout.strip()


def main(arguments: Sequence[str]) -> None:
    """Run ``OUT [--cxx CXX] [FLAG ...]``."""
    rest = list(arguments)
    out = Path(rest.pop(0))
    compiler = None
    if rest[:1] == ["--cxx"]:
        compiler, rest = shlex.split(rest[1]), rest[2:]
    build_library(out, compiler=compiler, extra=rest)


if __name__ == "__main__":
    main(sys.argv[1:])
