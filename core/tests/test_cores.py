from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_pio import cores

V2, V1 = "0::/slice/job\n", "5:cpu,cpuacct:/job\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        (V2, {"slice/job/cpu.max": "200000 100000\n"}, 2.0),
        (V2, {"slice/job/cpu.max": "50000 100000\n"}, 0.5),
        (V2, {"slice/job/cpu.max": "max 100000\n"}, None),
        (V2, {"slice/job/cpu.max": "400000 100000\n", "slice/cpu.max": "300000 100000\n"}, 3.0),  # the tightest counts
        (V2, {"cpu.max": "200000 100000\n"}, 2.0),  # the path is the host's, the mount the container's
        (V1, {"cpu/job/cpu.cfs_quota_us": "150000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 1.5),
        (V1, {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, None),
        (V2, {"slice/job/cpu.max": "nonsense"}, None),
        (V2, {"slice/job/cpu.max": "100000 0"}, None),
        (V2, {}, None),
        ("", {"cpu.max": "200000 100000\n"}, None),  # no control groups at all
    ],
)
def test_the_quota_of_the_control_groups_is_read(
    tmp_path: Path, groups: str, files: dict[str, str], quota: float | None
) -> None:
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{n}": t for n, t in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores.cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(("quota", "usable"), [(None, 8), (2.0, 2), (0.5, 1), (2.5, 3), (64.0, 8)])
def test_a_container_gets_no_more_cores_than_its_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, usable: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert cores.usable_cores() == usable
