"""Which device is taken when nobody says so: the CPU, without importing torch, where no driver has left a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference_pio.runtime.gpu_traces import LINUX_TRACES, WINDOWS_TRACES, may_have_gpu


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_a_machine_without_a_driver_has_no_gpu(tmp_path: Path) -> None:
    assert not may_have_gpu(tmp_path, platform="linux")


@pytest.mark.parametrize("trace", LINUX_TRACES)
def test_a_driver_leaves_a_trace(tmp_path: Path, trace: str) -> None:
    touch(tmp_path / trace)
    assert may_have_gpu(tmp_path, platform="linux")
    assert not may_have_gpu(tmp_path, platform="darwin")


def test_windows_drivers_are_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    assert not may_have_gpu(platform="win32")
    touch(tmp_path / WINDOWS_TRACES[0])
    assert may_have_gpu(platform="win32")


def test_the_cpu_is_chosen_without_torch_where_there_is_no_driver() -> None:
    if may_have_gpu():
        pytest.skip("this machine may have a GPU, so torch must be asked")
    code = (
        "import sys\n"
        "from inference_pio.runtime.hooks import pio_choose_device\n"
        "assert pio_choose_device(None, None) == 'cpu'\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
