from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.memory import machine_memory

MIB = 1024 * 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        tmp_path / "proc/meminfo", "MemTotal: 16000 kB\nMemFree: 100 kB\nMemAvailable: 12000 kB\nHugePages_Total: 0\n"
    )
    write(tmp_path / "proc/self/cgroup", "")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_control_group_the_machine_counts(root: Path) -> None:
    memory = machine_memory(root)
    assert (memory.total, memory.available) == (16000 * 1024, 12000 * 1024)


def test_a_v2_limit_is_respected_and_page_cache_counts_as_free(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/docker/abc\n")
    group = root / "sys/fs/cgroup/docker/abc"
    write(group / "memory.max", str(8 * MIB))
    write(group / "memory.current", str(5 * MIB))
    write(group / "memory.stat", f"anon 1\ninactive_file {2 * MIB}\n")
    memory = machine_memory(root)
    assert (memory.total, memory.available) == (8 * MIB, 5 * MIB)


def test_the_tightest_group_upwards_counts(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/slice/job\n")
    write(root / "sys/fs/cgroup/slice/memory.max", str(4 * MIB))
    write(root / "sys/fs/cgroup/slice/memory.current", str(MIB))
    write(root / "sys/fs/cgroup/slice/job/memory.max", "max\n")
    assert machine_memory(root).total == 4 * MIB


def test_a_v2_limit_at_the_containers_root_is_found_when_the_path_is_the_hosts(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/system.slice/docker-123.scope\n")
    write(root / "sys/fs/cgroup/memory.max", str(3 * MIB))
    assert machine_memory(root).total == 3 * MIB


def test_a_v1_limit_is_respected(root: Path) -> None:
    write(root / "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n")
    group = root / "sys/fs/cgroup/memory/x"
    write(group / "memory.limit_in_bytes", str(8 * MIB))
    write(group / "memory.usage_in_bytes", str(7 * MIB))
    write(group / "memory.stat", f"inactive_file 1\ntotal_inactive_file {MIB}\n")
    memory = machine_memory(root)
    assert (memory.total, memory.available) == (8 * MIB, 2 * MIB)


def test_a_v1_group_without_a_limit_changes_nothing(root: Path) -> None:
    write(root / "proc/self/cgroup", "4:memory:/\n")
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root / "sys/fs/cgroup/memory/memory.usage_in_bytes", str(MIB))
    memory = machine_memory(root)
    assert (memory.total, memory.available) == (16000 * 1024, 12000 * 1024)


def test_a_group_that_is_over_its_limit_has_nothing_left(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/\n")
    write(root / "sys/fs/cgroup/memory.max", str(MIB))
    write(root / "sys/fs/cgroup/memory.current", str(2 * MIB))
    assert machine_memory(root).available == 0


def test_without_proc_the_available_memory_is_unknown(tmp_path: Path) -> None:
    assert machine_memory(tmp_path).available is None
