"""Compiles the kernels: one shared library, one file per instruction set with flags of its own.

Used by the build hook, and by itself for sanitizers and cross compilers:
``python building.py OUT [--cxx CXX] [FLAG ...]``.
Nothing here depends on the machine that compiles (no ``-march=native``): the library chooses when it is loaded.

Environment: ``CXX`` is the compiler, ``CXXFLAGS`` and ``LDFLAGS`` are added to what is compiled and linked, and
``ARCHFLAGS`` names the machine on macOS, ``-arch arm64``.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent / "csrc"
DEFAULT_FLAGS = ("-O3", "-Wall", "-Wextra", "-Wno-unknown-warning-option")
"""Before ``CXXFLAGS``, which may say otherwise."""
# No -ffast-math: infinity and NaN must behave. No contraction: what is a multiply-add says so.
FLAGS = (
    "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-fast-math", "-ffp-contract=off", "-fno-math-errno",
)  # fmt: skip
"""Behind ``CXXFLAGS``: nobody's settings change what the kernels compute."""
MACOS = "11.0"
"""The oldest macOS that a wheel is for: the first on both machines."""
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
    """Return the command of the C++ compiler, ``$CXX``, else g++, clang++ or c++, with ``$ARCHFLAGS``.

    Raises:
        BuildError: There is none, or none that is supported.
    """
    if sys.platform == "win32":
        raise BuildError("Windows is not supported yet")
    architecture = shlex.split(os.environ.get("ARCHFLAGS", ""))
    if architecture.count("-arch") > 1:
        raise BuildError("ARCHFLAGS names two machines, and each needs a wheel of its own: build once for each")
    if os.environ.get("CXX"):
        return [*shlex.split(os.environ["CXX"]), *architecture]
    for name in ("g++", "clang++", "c++"):
        if shutil.which(name):
            return [name, *architecture]
    raise BuildError("no C++ compiler: none of g++, clang++ and c++ is installed, and CXX is not set")


def target_machine(compiler: Sequence[str]) -> str:
    """Return what the compiler compiles for, ``x86_64`` or ``aarch64``; another name gets the plain kernels only."""
    machine = _run([*compiler, "-dumpmachine"]).split("-")[0].lower()
    return _SAME_MACHINE.get(machine, machine)


def platform_tag(machine: str, platform: str | None = None) -> str:
    """Return the last part of the wheel's name, such as ``linux_x86_64`` or ``macosx_11_0_arm64``.

    Args:
        machine: What the library is compiled for.
        platform: What wheels are built for, as ``sysconfig`` writes it: ``linux-x86_64``; this Python's when ``None``.

    Raises:
        BuildError: The library would not run where the wheel can be installed.
    """
    platform = platform or sysconfig.get_platform()
    system, _, wanted = platform.rpartition("-")
    # A Python for two machines takes a wheel for either.
    if wanted != "universal2" and _SAME_MACHINE.get(wanted, wanted) != machine and {wanted, machine} & {*ISA_FLAGS}:
        raise BuildError(
            f"the compiler makes code for {machine}, and wheels are built for {platform}. Name a compiler for it in "
            "CXX, or say by _PYTHON_HOST_PLATFORM=linux-aarch64 that the wheel is for another machine than this one"
        )
    if system.startswith("macosx"):
        system, wanted = f"macosx-{MACOS}", "arm64" if machine == "aarch64" else machine
    return f"{system}_{wanted}".replace("-", "_").replace(".", "_")


def build_library(out: Path, *, compiler: Sequence[str] | None = None, extra: Sequence[str] = ()) -> str:
    """Compile and link into ``out``, which appears whole or not at all; one that is up to date is left alone.

    Args:
        out: The shared library.
        compiler: Command; found when ``None``.
        extra: Flags for every compilation and the link, such as ``-fsanitize=address``.

    Returns:
        The machine that it is for: ``x86_64``, ``aarch64`` or another.

    Raises:
        BuildError: The compiler is missing or failed; holds the first lines that it said.
    """
    command = list(compiler) if compiler is not None else find_compiler()
    if sys.platform == "darwin":
        command.append(f"-mmacosx-version-min={MACOS}")
    machine = target_machine(command)
    own, linking = (shlex.split(os.environ.get(name, "")) for name in ("CXXFLAGS", "LDFLAGS"))
    mark = fingerprint([_run([*command, "--version"]), *command, *own, "link", *linking, "extra", *extra])
    if _holds(out, mark):
        return machine
    per_isa = ISA_FLAGS.get(machine, {"isa_plain": ()})
    common = [path for path in sorted(SOURCES.glob("*.cpp")) if not path.stem.startswith("isa_")]
    units = [(path, ()) for path in common] + [(SOURCES / f"{name}.cpp", flags) for name, flags in per_isa.items()]
    with tempfile.TemporaryDirectory() as folder:
        marked = Path(folder) / "fingerprint.cpp"
        marked.write_text(f'__attribute__((used)) static const char fingerprint[] = "{mark}";\n', encoding="utf-8")

        def compile_unit(unit: tuple[Path, Sequence[str]]) -> str:
            source, flags = unit
            target = str(Path(folder) / f"{source.stem}.o")
            _run([*command, *DEFAULT_FLAGS, *own, *FLAGS, *flags, *extra, "-c", str(source), "-o", target])
            return target

        # Longest first: the instruction sets' files take most of the time.
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            objects = list(workers.map(compile_unit, [*reversed(units), (marked, ())]))
        linked = Path(folder) / "linked"
        _run([*command, "-shared", *extra, *objects, "-o", str(linked), *linking, "-pthread"])
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
        shutil.copyfile(linked, partial)
        partial.replace(out)
    return machine


def fingerprint(settings: Sequence[str]) -> str:
    """Return a hash of everything that a library depends on: the sources, this file, the compiler and its flags."""
    digest = hashlib.sha256("\0".join(settings).encode())
    for path in [Path(__file__), *sorted(path for path in SOURCES.rglob("*") if path.is_file())]:
        content = path.read_bytes()
        digest.update(f"\0{path.name} {len(content)}\0".encode() + content)
    return f"inference-pio-native {digest.hexdigest()}"


def _holds(library: Path, mark: str) -> bool:
    try:
        return mark.encode() in library.read_bytes()
    except FileNotFoundError:
        return False


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
