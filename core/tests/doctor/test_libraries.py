from __future__ import annotations

from pathlib import Path

import importlib_metadata
import pytest

from inference_pio.doctor.libraries import libraries, native_kernels
from inference_pio.hookspecs import DoctorFinding
from inference_pio.installed import Installed, collect

from ..conftest import FakeSite


def installed(site: FakeSite) -> Installed:
    return collect(importlib_metadata.distributions(path=[str(site.path)]))


def torch(site: FakeSite, root: Path) -> DoctorFinding:
    return next(finding for finding in libraries(installed(site), root) if finding.name == "torch")


def test_missing_libraries_say_what_needs_them(site: FakeSite, tmp_path: Path) -> None:
    found = list(libraries(installed(site), tmp_path))
    assert [(f.name, f.code, f.status, f.fix) for f in found] == [
        ("torch", "library-missing", "warning", "pip install torch"),
        ("transformers", "library-optional", "ok", ""),
    ]
    assert "torch executor" in found[0].message


@pytest.mark.parametrize(
    ("version", "source", "expected"),
    [
        ("2.13.0+cpu", "cuda: Optional[str] = None\nhip: Optional[str] = None\n", "2.13.0+cpu, built for CPUs"),
        ("2.13.0", "cuda: Optional[str] = '12.6'\nhip: Optional[str] = None\n", "2.13.0, built for CUDA 12.6"),
        ("2.13.0", 'cuda = None\nhip = "6.2"\n', "2.13.0, built for ROCm 6.2"),
        ("2.13.0+cu126", None, "2.13.0+cu126, built for CUDA 12.6"),
        ("2.13.0+rocm6.2", None, "2.13.0+rocm6.2, built for ROCm 6.2"),
        ("2.13.0+cpu", None, "2.13.0+cpu, built for CPUs"),
        ("2.13.0", None, "2.13.0, build unknown"),
    ],
)
def test_the_build_of_torch_is_read_without_importing_it(
    version: str, source: str | None, expected: str, site: FakeSite, tmp_path: Path
) -> None:
    site.add_dist("torch", version)
    if source is not None:
        (site.path / "torch").mkdir()
        (site.path / "torch/__init__.py").write_text("raise SystemExit('imported')")
        (site.path / "torch/version.py").write_text(source)
    finding = torch(site, tmp_path)
    assert (finding.status, finding.message) == ("ok", expected)


def test_a_gpu_that_torch_was_not_built_for_is_a_warning(site: FakeSite, tmp_path: Path) -> None:
    site.add_dist("torch", "2.13.0+cpu")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    finding = torch(site, tmp_path)
    assert (finding.code, finding.status) == ("torch-without-gpu", "warning")
    assert finding.fix


def test_missing_kernels_say_what_that_costs_and_are_no_fault(site: FakeSite) -> None:
    finding = native_kernels(installed(site))
    assert (finding.code, finding.status) == ("native-kernels-missing", "ok")
    assert "quantized weights are dequantized and run on torch" in finding.message
    site.add_dist("inference-pio-native", "0.3")
    finding = native_kernels(installed(site))
    assert (finding.code, finding.message) == ("native-kernels", "inference-pio-native 0.3")
