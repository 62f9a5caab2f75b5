from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from inference_pio.doctor import machine, processor, threads
from inference_pio.doctor.processor import Processor, read_processor
from inference_pio.memory import Memory, group_limit

CPUINFO_X86 = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse2 f16c avx2 avx512f avx512_vnni amx_tile

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
CPUINFO_ARM = """\
processor\t: 0
Features\t: fp asimd asimddp i8mm sve bf16
CPU part\t: 0xd40
"""
SYSCTL_INTEL = """\
machdep.cpu.brand_string: Intel(R) Core(TM) i7-8750H CPU @ 2.20GHz
machdep.cpu.features: FPU SSE4.2 F16C AVX1.0
machdep.cpu.leaf7_features: RDWRFSGS AVX2 BMI2
hw.optional.avx512f: 0
"""
SYSCTL_APPLE = """\
machdep.cpu.brand_string: Apple M2
hw.optional.AdvSIMD: 1
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
hw.optional.arm.FEAT_BF16: 0
"""


def cpuinfo(root: Path, text: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(text)
    return root


def features(found: Processor) -> set[str]:
    assert found.features is not None
    return {name for name, is_there in found.features.items() if is_there}


def test_flags_of_an_x86_are_read_from_the_first_core(tmp_path: Path) -> None:
    found = read_processor("x86_64", "linux", cpuinfo(tmp_path, CPUINFO_X86))
    assert found.model == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert features(found) == {"avx2", "f16c", "avx512", "vnni", "amx"}
    assert found.features is not None
    assert not found.features["bf16"]


def test_features_of_an_arm_are_read(tmp_path: Path) -> None:
    found = read_processor("aarch64", "linux", cpuinfo(tmp_path, CPUINFO_ARM))
    assert features(found) == {"asimd", "dotprod", "i8mm", "sve", "bf16"}


@pytest.mark.parametrize(
    ("kind", "output", "expected"),
    [
        ("x86_64", SYSCTL_INTEL, {"avx2", "f16c"}),
        ("arm64", SYSCTL_APPLE, {"asimd", "dotprod", "i8mm"}),
    ],
)
def test_macos_is_asked_through_sysctl(
    kind: str, output: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "sysctl"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{output}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = read_processor(kind, "darwin")
    assert features(found) == expected
    assert found.model


@pytest.mark.parametrize(("kind", "system"), [("riscv64", "linux"), ("AMD64", "win32"), ("arm64", "darwin")])
def test_what_cannot_be_told_is_unknown_and_no_exception(
    kind: str, system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no sysctl
    found = read_processor(kind, system, tmp_path)
    assert found.features is None
    finding = processor.processor(found)
    assert (finding.code, finding.status) == ("processor-unknown", "ok")


def test_an_x86_without_avx2_is_a_warning_with_a_fix() -> None:
    finding = processor.processor(Processor("x86_64", "old", {"avx2": False, "f16c": True}))
    assert (finding.code, finding.status) == ("processor-slow", "warning")
    assert finding.message == "x86_64, old: f16c; without avx2"
    assert "avx2" in finding.fix


@pytest.mark.parametrize("value", ["64", "4,64", " 64 "])
def test_more_threads_than_cores_are_a_warning(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    finding = threads.cores()
    assert (finding.code, finding.status) == ("threads-oversubscribed", "warning")
    assert finding.fix == "unset OMP_NUM_THREADS, or set it to 2"
    assert "MKL" not in finding.message


@pytest.mark.parametrize("value", ["1", "2", "", "many"])
def test_as_many_threads_as_cores_or_nonsense_is_no_warning(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads.cores().status == "ok"


def test_a_quota_and_a_mask_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "cpu_quota", lambda: 1.5)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert threads.cores().message == "2 of 16 cores may be used, quota of the control group 1.5"


def test_memory_names_the_limit_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "machine_memory", lambda: Memory(4_000_000_000, 1_000_000_000))
    monkeypatch.setattr(machine, "group_limit", lambda: 4_000_000_000)
    assert machine.memory().message == "1.0 of 4.0 GB available, the limit of the control group"
    monkeypatch.setattr(machine, "group_limit", lambda: None)
    assert machine.memory().message == "1.0 of 4.0 GB available"


def test_memory_that_cannot_be_told_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "machine_memory", lambda: Memory(4_000_000_000, None))
    finding = machine.memory()
    assert (finding.code, finding.status) == ("machine-memory-unknown", "warning")
    assert finding.fix


def test_the_tightest_group_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/outer/inner\n")
    inner = tmp_path / "sys/fs/cgroup/outer/inner"
    inner.mkdir(parents=True)
    assert group_limit(tmp_path) is None
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text("5000\n")
    assert group_limit(tmp_path) == 5000


def test_the_interpreter_says_whether_it_is_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert machine.interpreter().message.endswith(", no virtual environment")
    monkeypatch.setattr(sys, "prefix", "venv-folder")
    assert machine.interpreter().message.endswith(", virtual environment venv-folder")
