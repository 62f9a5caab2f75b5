"""torch, transformers and the native kernels, from their metadata and files: nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..control_groups import read_text
from ..hookspecs import DoctorFinding
from ..installed import Installed

NATIVE = "inference-pio-native"

_WITHOUT_KERNELS = "quantized weights are dequantized and run on torch, slower and in more memory"

_TOOLKIT = re.compile(r"^(cuda|hip|xpu)\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_LABELS = {"cuda": "CUDA", "hip": "ROCm", "xpu": "XPU"}
_LOCAL = re.compile(r"\+(?P<kind>cpu|cu|rocm|xpu)(?P<digits>[\d.]*)")


def libraries(installed: Installed, root: Path = Path("/")) -> Iterator[DoctorFinding]:
    """Look at torch and transformers.

    Args:
        installed: What is installed.
        root: Where ``dev`` and ``proc`` are; another folder for tests.
    """
    version = installed.version("torch")
    yield _missing_torch() if version is None else _torch(installed, version, root)
    version = installed.version("transformers")
    if version is None:
        yield DoctorFinding(
            code="library-optional",
            group="libraries",
            name="transformers",
            status="ok",
            message="not installed; nothing but test NAME --parity needs it",
            data={"version": None},
        )
    else:
        yield DoctorFinding(
            code="library",
            group="libraries",
            name="transformers",
            status="ok",
            message=version,
            data={"version": version},
        )


def _missing_torch() -> DoctorFinding:
    return DoctorFinding(
        code="library-missing",
        group="libraries",
        name="torch",
        status="warning",
        message="not installed; the torch executor needs it",
        fix="pip install torch",
        data={"version": None},
    )


def _torch(installed: Installed, version: str, root: Path) -> DoctorFinding:
    toolkit, number = _torch_build(installed, version)
    built_for = {"": "build unknown", "cpu": "built for CPUs"}.get(toolkit, f"built for {toolkit} {number}".rstrip())
    # Only NVIDIA's driver leaves a trace that cannot be anything else.
    is_wasted = toolkit == "cpu" and ((root / "dev/nvidia0").exists() or (root / "proc/driver/nvidia/version").exists())
    return DoctorFinding(
        code="torch-without-gpu" if is_wasted else "library",
        group="libraries",
        name="torch",
        status="warning" if is_wasted else "ok",
        message=f"{version}, {built_for}" + ("; the NVIDIA GPU of this machine stays idle" if is_wasted else ""),
        fix="Install a CUDA build of torch; its own installation page has the command" if is_wasted else "",
        data={"version": version, "toolkit": toolkit or None, "toolkit_version": number or None},
    )


def _torch_build(installed: Installed, version: str) -> tuple[str, str]:
    """Return toolkit and its version: what ``torch/version.py`` says as text, else the local part of the version."""
    text = read_text(Path(installed.dists["torch"].folder).parent / "torch" / "version.py")
    match = _TOOLKIT.search(text)
    if match:
        return _LABELS[match[1]], match[2]
    if re.search(r"^cuda\b", text, re.MULTILINE):  # it is that file, and no toolkit is set
        return "cpu", ""
    local = _LOCAL.search(version)
    if not local:
        return "", ""
    kind, digits = local["kind"], local["digits"]
    if kind == "cu":  # cu126 is CUDA 12.6
        return "CUDA", f"{digits[:-1]}.{digits[-1:]}".strip(".")
    return {"cpu": "cpu", "rocm": "ROCm", "xpu": "XPU"}[kind], digits


def native_kernels(installed: Installed) -> DoctorFinding:
    """Say whether the native kernels are there. Everything runs without them, so it is no fault if they are not."""
    version = installed.version(NATIVE)
    return DoctorFinding(
        code="native-kernels" if version else "native-kernels-missing",
        group="libraries",
        name="kernels",
        status="ok",
        message=f"{NATIVE} {version}" if version else f"{NATIVE} is not installed: {_WITHOUT_KERNELS}",
        data={"version": version},
    )
