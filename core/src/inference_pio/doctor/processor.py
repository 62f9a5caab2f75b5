"""Which vector instructions the processor has: they decide how fast a model runs on it."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..control_groups import read_text
from ..hookspecs import DoctorFinding

_SYSCTL_LIMIT_S = 5.0

# Our name -> the names that Linux and macOS have for it, in lower case; any of them will do.
_X86 = {
    "avx2": {"avx2"},
    "f16c": {"f16c"},
    "avx512": {"avx512f"},
    "vnni": {"avx512_vnni", "avx512vnni", "avx_vnni"},
    "bf16": {"avx512_bf16", "avx512bf16", "amx_bf16"},
    "amx": {"amx_tile", "amx"},
}
_ARM = {
    "asimd": {"asimd", "advsimd", "neon"},
    "dotprod": {"asimddp", "feat_dotprod"},
    "i8mm": {"i8mm", "feat_i8mm"},
    "bf16": {"bf16", "feat_bf16"},
    "sve": {"sve"},
}
_KNOWN: dict[str, tuple[Mapping[str, set[str]], str]] = {
    **dict.fromkeys(("x86_64", "amd64", "i386", "i686"), (_X86, "avx2")),
    **dict.fromkeys(("aarch64", "arm64"), (_ARM, "asimd")),
}
"""Machine -> its instruction sets, and the one without which everything is slow."""


@dataclass(frozen=True)
class Processor:
    """What is known of the processor.

    Attributes:
        machine: As ``platform.machine()`` says it.
        model: What its maker calls it; empty when nobody says.
        features: Which of the instruction sets that matter it has; ``None`` when that cannot be told.
    """

    machine: str
    model: str = ""
    features: Mapping[str, bool] | None = None


def read_processor(machine: str | None = None, system: str | None = None, root: Path = Path("/")) -> Processor:
    """Return what the system says about the processor; never raises.

    Args:
        machine: Kind of processor; default: this one.
        system: ``sys.platform`` of another system, for tests.
        root: Where ``proc`` is; another folder for tests.
    """
    machine, system = machine or platform.machine(), system or sys.platform
    told = dict(_sysctl() if system == "darwin" else _cpuinfo(root / "proc/cpuinfo"))
    flags = set(told.get("flags", "").lower().split())
    sets, _ = _KNOWN.get(machine.lower(), ({}, ""))
    features = {name: bool(names & flags) for name, names in sets.items()} if flags and sets else None
    return Processor(machine, told.get("model", ""), features)


def _cpuinfo(path: Path) -> Iterator[tuple[str, str]]:
    """Yield flags and model of the first core that ``/proc/cpuinfo`` lists; later cores repeat it."""
    seen = set()
    for line in read_text(path).splitlines():
        key, _, value = line.partition(":")
        # x86 says "flags", Arm says "Features".
        name = {"flags": "flags", "features": "flags", "model name": "model"}.get(key.strip().lower())
        if name and name not in seen:
            seen.add(name)
            yield name, value.strip()


def _sysctl() -> Iterator[tuple[str, str]]:
    lines = [line.partition(":")[::2] for line in _sysctl_output().splitlines()]
    told = {key.strip(): value.strip() for key, value in lines}
    intel = [told.get(f"machdep.cpu.{name}", "") for name in ("features", "leaf7_features")]
    arm = [key.rpartition(".")[2] for key, value in told.items() if key.startswith("hw.optional") and value == "1"]
    yield "flags", " ".join([*intel, *arm])
    yield "model", told.get("machdep.cpu.brand_string", "")


def _sysctl_output() -> str:
    try:
        done = subprocess.run(
            ["sysctl", "machdep.cpu", "hw.optional"], capture_output=True, text=True, timeout=_SYSCTL_LIMIT_S
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout


def processor(found: Processor | None = None) -> DoctorFinding:
    """Say which instruction sets there are, and warn where the one that everything rests on is missing."""
    found = found or read_processor()
    label = f"{found.machine}, {found.model}" if found.model else found.machine
    data = {"machine": found.machine, "model": found.model, "features": found.features and dict(found.features)}
    if found.features is None:
        return DoctorFinding(
            code="processor-unknown",
            group="machine",
            name="processor",
            status="ok",
            message=f"{label}: which vector instructions it has cannot be told here",
            data=data,
        )
    _, base = _KNOWN[found.machine.lower()]
    present = " ".join(name for name, is_there in found.features.items() if is_there)
    absent = " ".join(name for name, is_there in found.features.items() if not is_there)
    parts = [present or "no vector instructions", *([f"without {absent}"] if absent else [])]
    is_slow = not found.features[base]
    return DoctorFinding(
        code="processor-slow" if is_slow else "processor",
        group="machine",
        name="processor",
        status="warning" if is_slow else "ok",
        message=f"{label}: {'; '.join(parts)}",
        fix=f"In a virtual machine, choose a processor type that passes {base} on" if is_slow else "",
        data=data,
    )
