"""Building the distribution: with a compiler, without one, twice, and from the archive of its sources.

Most tests compile with a shell script that joins files and notes how it was called: that takes no time, and what is
tested is what is built from what and when. The real compiler comes last.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

from inference_pio.native.structures import ABI_VERSION

ROOT = Path(__file__).parents[1]
LIBRARY = "inference_pio/native/_kernels.so"
SETTINGS = ("CXX", "CXXFLAGS", "LDFLAGS", "ARCHFLAGS", "INFERENCE_PIO_REQUIRE_KERNELS", "_PYTHON_HOST_PLATFORM")

JOINING = """\
#!/bin/sh
echo "$@" >> "{log}"
case "$*" in
  *-dumpmachine) echo "${{MACHINE:-{machine}}}-unknown-linux"; exit;;
  *--version) echo 1.0; exit;;
esac
while [ $# -gt 0 ]; do
  case "$1" in -o) out="$2"; shift;; *.cpp|*.o) inputs="$inputs $1";; esac
  shift
done
cat $inputs > "$out"
"""
FAILING = """\
#!/bin/sh
case "$*" in -dumpmachine|--version) echo {machine}; exit;; esac
echo "fatal error: vector: no such file" >&2
exit 1
"""
HOOK = "import sys, hatchling.build as b; print(getattr(b, f'build_{sys.argv[1]}')(sys.argv[2]))"


def load_building(path: Path = ROOT / "building.py") -> Any:
    """The module, which is no part of the package, from a folder of one's own."""
    spec = importlib.util.spec_from_file_location("building", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


building = load_building()
MACHINE = sysconfig.get_platform().rpartition("-")[2]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the distribution, as it comes from version control."""
    return copy_of_sources(tmp_path / "native")


def copy_of_sources(folder: Path) -> Path:
    copytree(ROOT, folder, ignore=ignore_patterns("*.so", "__pycache__", "tests"))
    return folder


class Compiler:
    """The script: ``calls`` are its command lines, those that compile or link."""

    def __init__(self, folder: Path, text: str) -> None:
        self.path, self.log = folder / "compiler", folder / "log"
        self.path.write_text(text.format(log=self.log, machine=MACHINE), encoding="utf-8")
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [line for line in lines if " -o " in line]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    made = Compiler(tmp_path, JOINING)
    monkeypatch.setenv("CXX", str(made.path))
    return made


@pytest.fixture(params=["none", "broken"])
def no_compiler(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either way to have none; what is said of it."""
    if request.param == "none":
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
        return "no C++ compiler: none of g++, clang++ and c++ is installed, and CXX is not set"
    monkeypatch.setenv("CXX", str(Compiler(tmp_path, FAILING).path))
    return "fatal error: vector: no such file"


def run_build(kind: str, sources: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HOOK, kind, str(sources.parent / "dist")]
    return subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)


def build(kind: str, sources: Path) -> Path:
    done = run_build(kind, sources)
    assert done.returncode == 0, done.stderr
    return sources.parent / "dist" / done.stdout.splitlines()[-1]


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def kernels(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(LIBRARY)


def in_place(sources: Path) -> Path:
    return sources / "src" / LIBRARY


# Wheels --------------------------------------------------------------------------------------------------------------


def test_a_wheel_holds_its_kernels_and_is_for_one_platform_and_every_python(sources: Path, compiler: Compiler) -> None:
    wheel = build("wheel", sources)
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name.endswith(f"-py3-none-{platform}.whl")
    assert names(wheel).count(LIBRARY) == 1
    assert [name for name in names(wheel) if ".dist-info/" not in name and not name.startswith("inference_pio/")] == []
    with zipfile.ZipFile(wheel) as archive:
        facts = archive.read(next(name for name in archive.namelist() if name.endswith("/WHEEL"))).decode()
    assert "Root-Is-Purelib: false" in facts
    assert compiler.calls


def test_building_leaves_the_wheel_and_nothing_else(sources: Path, compiler: Compiler) -> None:
    before = sorted(sources.rglob("*"))
    wheel = build("wheel", sources)
    assert [path for path in sorted(sources.rglob("*")) if path not in before and "__pycache__" not in path.parts] == []
    assert list(wheel.parent.iterdir()) == [wheel]


def test_kernels_that_were_compiled_in_place_get_into_no_wheel_and_no_archive(
    sources: Path, compiler: Compiler
) -> None:
    in_place(sources).write_bytes(b"stale")
    assert kernels(build("wheel", sources)) != b"stale"
    with tarfile.open(build("sdist", sources)) as archive:
        assert [name for name in archive.getnames() if name.endswith(".so")] == []


def test_the_archive_of_the_sources_builds_the_same_wheel(sources: Path, compiler: Compiler, tmp_path: Path) -> None:
    first = build("wheel", sources)
    with tarfile.open(build("sdist", sources)) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    second = build("wheel", unpacked)
    assert second.name == first.name
    assert second.read_bytes() == first.read_bytes()


def test_without_a_compiler_the_wheel_is_for_every_platform_and_the_loss_is_said(
    sources: Path, no_compiler: str
) -> None:
    in_place(sources).write_bytes(b"stale")
    done = run_build("wheel", sources)
    assert done.returncode == 0
    wheel = sources.parent / "dist" / done.stdout.splitlines()[-1]
    assert wheel.name.endswith("-py3-none-any.whl")
    assert LIBRARY not in names(wheel)
    assert "WITHOUT its kernels, models will run on torch" in done.stdout + done.stderr
    assert no_compiler in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_where_kernels_are_required_a_build_without_them_fails(
    sources: Path, no_compiler: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("INFERENCE_PIO_REQUIRE_KERNELS", "1")
    done = run_build(kind, sources)
    assert done.returncode == 1
    assert no_compiler in done.stdout + done.stderr
    assert "INFERENCE_PIO_REQUIRE_KERNELS is set" in done.stdout + done.stderr
    assert list(sources.parent.glob("dist/*.whl")) == []


def test_an_archive_needs_no_compiler(sources: Path, no_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_REQUIRE_KERNELS", "1")
    with tarfile.open(build("sdist", sources)) as archive:
        listed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"building.py", "hatch_build.py", "csrc/pio_native.h", f"src/{LIBRARY}"} & listed == {
        "building.py",
        "hatch_build.py",
        "csrc/pio_native.h",
    }


# In place ------------------------------------------------------------------------------------------------------------


def touch(sources: Path) -> None:
    with (sources / "csrc" / "error.cpp").open("a", encoding="utf-8") as file:
        file.write("// another\n")


def set_flags(sources: Path) -> None:
    os.environ["CXXFLAGS"] = "-O1"  # taken back with what the test set


def test_an_editable_install_compiles_beside_the_sources_and_only_once(sources: Path, compiler: Compiler) -> None:
    assert LIBRARY not in names(build("editable", sources))
    first = in_place(sources).read_bytes()
    count = len(compiler.calls)
    assert count > 4
    build("editable", sources)  # pip asks twice: for the metadata, and for the wheel
    assert (len(compiler.calls), in_place(sources).read_bytes()) == (count, first)


@pytest.mark.parametrize("change", [touch, set_flags])
def test_what_a_library_was_made_of_decides_whether_it_is_made_anew(
    sources: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("CXXFLAGS", "")
    build("editable", sources)
    count = len(compiler.calls)
    change(sources)
    build("editable", sources)
    assert len(compiler.calls) == 2 * count


def test_an_editable_install_that_fails_to_compile_leaves_no_older_kernels(sources: Path, no_compiler: str) -> None:
    in_place(sources).write_bytes(b"stale")
    assert build("editable", sources).name.endswith("-py3-none-any.whl")
    assert not in_place(sources).exists()


def test_a_library_appears_whole_or_not_at_all(sources: Path, tmp_path: Path) -> None:
    module = load_building(sources / "building.py")
    out = tmp_path / "out" / "k.so"
    with pytest.raises(module.BuildError, match="no such file"):
        module.build_library(out, compiler=[str(Compiler(tmp_path, FAILING).path)])
    assert not out.exists()
    module.build_library(out, compiler=[str(Compiler(tmp_path, JOINING).path)])
    assert list(out.parent.iterdir()) == [out]


# Settings ------------------------------------------------------------------------------------------------------------


def test_flags_of_the_environment_choose_speed_but_not_what_is_computed(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXXFLAGS", "-O0 -ffast-math '-DNAME=a b'")
    monkeypatch.setenv("LDFLAGS", "-Wl,--as-needed")
    building.build_library(tmp_path / "k.so", extra=["-fsanitize=thread"])
    *compiled, linked = compiler.calls
    for line in compiled:
        assert line.index("-O3") < line.index("-O0") < line.index("-fno-fast-math")
        assert line.index("-ffast-math") < line.index("-fno-fast-math")
        assert "-DNAME=a b" in line
        assert "-Wl," not in line
    assert "-Wl,--as-needed" in linked
    assert all("-fsanitize=thread" in line for line in compiler.calls)


def test_the_machine_of_archflags_is_compiled_for(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHFLAGS", "-arch arm64")
    monkeypatch.setenv("MACHINE", "arm64")
    assert building.build_library(tmp_path / "k.so") == "aarch64"
    assert all(line.startswith("-arch arm64 ") for line in compiler.calls)
    assert [line for line in compiler.calls if "isa_neon.cpp" in line]
    assert [line for line in compiler.calls if "isa_avx2.cpp" in line] == []
    monkeypatch.setenv("ARCHFLAGS", "-arch arm64 -arch x86_64")
    with pytest.raises(building.BuildError, match="build once for each"):
        building.find_compiler()


def test_a_machine_without_kernels_of_its_own_gets_the_plain_ones(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACHINE", "riscv64")
    assert building.build_library(tmp_path / "k.so") == "riscv64"
    assert [line for line in compiler.calls if "isa_" in line and "-c" in line and "isa_plain.cpp" not in line] == []


@pytest.mark.parametrize(
    ("machine", "platform", "tag"),
    [
        ("x86_64", "linux-x86_64", "linux_x86_64"),
        ("aarch64", "linux-aarch64", "linux_aarch64"),
        ("arm", "linux-armv7l", "linux_armv7l"),
        ("aarch64", "macosx-14.2-arm64", "macosx_11_0_arm64"),
        ("aarch64", "macosx-10.9-universal2", "macosx_11_0_arm64"),
        ("x86_64", "macosx-10.9-universal2", "macosx_11_0_x86_64"),
    ],
)
def test_the_wheel_is_named_after_the_machine_that_runs_it(machine: str, platform: str, tag: str) -> None:
    assert building.platform_tag(machine, platform) == tag


@pytest.mark.parametrize(("machine", "platform"), [("aarch64", "linux-x86_64"), ("x86_64", "linux-i686")])
def test_kernels_for_another_machine_than_the_wheel_is_for_are_refused(machine: str, platform: str) -> None:
    with pytest.raises(building.BuildError, match=f"makes code for {machine}, and wheels are built for {platform}"):
        building.platform_tag(machine, platform)


def test_on_windows_there_are_no_kernels_and_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(building.BuildError, match="Windows is not supported yet"):
        building.build_library(tmp_path / "k.so")


def test_a_compiler_that_cannot_be_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -m64")
    with pytest.raises(building.BuildError, match="no-such-compiler cannot be run"):
        building.build_library(tmp_path / "k.so")


# The real compiler ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pip_builds_kernels_that_load_and_are_the_same_to_the_bit_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXXFLAGS", "-O0")  # the quickest to compile
    monkeypatch.setenv("INFERENCE_PIO_REQUIRE_KERNELS", "1")
    here = build("wheel", copy_of_sources(tmp_path / "here"))
    archive = build("sdist", copy_of_sources(tmp_path / "far" / "away"))
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(tmp_path))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(archive)], check=True)
    (by_pip,) = tmp_path.glob("*.whl")
    assert by_pip.read_bytes() == here.read_bytes()
    library = tmp_path / "kernels.so"
    library.write_bytes(kernels(by_pip))
    assert ctypes.CDLL(str(library)).pio_abi_version() == ABI_VERSION
