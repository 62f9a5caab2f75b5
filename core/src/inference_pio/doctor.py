"""What the host can say about itself and its plugins; ``inference-pio doctor`` shows it."""

from __future__ import annotations

import logging
import os
import platform
import stat
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import settings
from .cores import usable_cores
from .file_sizes import size_of
from .hookspecs import DoctorFinding
from .memory import GIGABYTE, machine_memory
from .records import PluginRecord, PluginState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .host import Host

logger = logging.getLogger(__name__)

_SOUND = (PluginState.READY, PluginState.LOADED, PluginState.DISABLED)


def core_findings(host: Host) -> list[DoctorFinding]:
    """Return what core knows: interpreter, machine, cache, libraries, models. Imports no plugin."""
    return [
        _python(),
        _machine(),
        _cache(settings.cache_dir()),
        *_libraries(host),
        _models(host.records()),
        *(_plugin(record, "model") for record in host.records() if _is_worth_a_line(record)),
        *_unreadable(host),
    ]


def hook_findings(host: Host) -> list[DoctorFinding]:
    """Load the hook plugins, say how they are, and run the checks that they contribute; a broken check is a finding."""
    checks = host.hooks.doctor_checks()
    return [*(_plugin(record, "hooks") for record in host.hook_plugins()), *(_run(check) for check in checks)]


def _run(check: Callable[[], DoctorFinding]) -> DoctorFinding:
    try:
        finding = check()
        if not isinstance(finding, DoctorFinding):
            raise TypeError(f"expected a DoctorFinding, got {type(finding).__name__}")
    except (Exception, SystemExit) as error:
        if settings.is_strict():
            raise
        logger.debug("a doctor check failed", exc_info=True)
        name = f"{getattr(check, '__module__', '?')}.{getattr(check, '__qualname__', type(check).__name__)}"
        return DoctorFinding(
            name=name, status="error", message=f"the check itself failed: {type(error).__name__}: {error}"
        )
    return finding


def _python() -> DoctorFinding:
    version = platform.python_version()
    return DoctorFinding(
        name="python",
        status="ok",
        message=f"{platform.python_implementation()} {version} on {platform.platform()}, {sys.executable}",
        data={"version": version, "platform": platform.platform(), "executable": sys.executable},
    )


def _machine() -> DoctorFinding:
    cores = usable_cores()
    memory = machine_memory()
    known = memory.total is not None and memory.available is not None
    sizes = (
        f"{memory.available / GIGABYTE:.1f} of {memory.total / GIGABYTE:.1f} GB of memory available"
        if memory.total is not None and memory.available is not None
        else "memory unknown"
    )
    return DoctorFinding(
        name="machine",
        status="ok" if known else "warning",
        message=f"{platform.machine()}, {cores} cores, {sizes}",
        fix="" if known else "Memory gates are skipped here; keep an eye on it yourself",
        data={"cores": cores, "memory_bytes": memory.total, "available_bytes": memory.available},
    )


def _cache(folder: Path) -> DoctorFinding:
    size = size_of(folder)
    writable = _is_writable(folder)
    return DoctorFinding(
        name="cache",
        status="ok" if writable else "error",
        message=f"{folder}, {size / 1e6:,.1f} MB" + ("" if writable else ", cannot be written to"),
        fix="" if writable else "Choose another folder: INFERENCE_PIO_CACHE_DIR=PATH",
        data={"path": str(folder), "bytes": size},
    )


def _is_writable(folder: Path) -> bool:
    """Whether a folder, or what is there of the way to it, can be written to."""
    for path in (folder, *folder.absolute().parents):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        except OSError:  # a name too long, a file in the way, a folder that may not be looked into
            return False
        return stat.S_ISDIR(found.st_mode) and os.access(path, os.W_OK)
    return False


def _libraries(host: Host) -> Iterator[DoctorFinding]:
    for name, role in (("torch", "the torch executor"), ("transformers", "test NAME --parity")):
        version = host.index.installed.version(name)
        yield DoctorFinding(
            name=name,
            status="ok" if version else "warning",
            message=version or f"not installed; {role} needs it",
            fix="" if version else f"pip install {name}",
            data={"version": version},
        )


def _models(records: tuple[PluginRecord, ...]) -> DoctorFinding:
    counts = Counter(str(record.state) for record in records)
    usable = sum(record.is_usable for record in records)
    return DoctorFinding(
        name="models",
        status="ok" if usable else "warning",
        message=", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no model is installed",
        fix="" if records else "Install one: pip install inference-pio-smollm2",
        data=dict(counts),
    )


def _is_worth_a_line(record: PluginRecord) -> bool:
    return record.state not in _SOUND or bool(record.reasons)


def _plugin(record: PluginRecord, kind: str) -> DoctorFinding:
    status: Literal["ok", "warning", "error"] = "ok"
    if record.state in (PluginState.INVALID, PluginState.FAILED):
        status = "error"
    elif record.state not in _SOUND or (record.is_usable and record.reasons):
        status = "warning"
    text = "; ".join(reason.message for reason in record.reasons)
    return DoctorFinding(
        name=f"{kind} {record.name}",
        status=status,
        message=f"{record.dist}: {record.state}" + (f", {text}" if text else ""),
        fix="; ".join(dict.fromkeys(reason.fix for reason in record.reasons if reason.fix)),
        data={
            "plugin": record.name,
            "dist": record.dist_name,
            "version": record.dist_version,
            "state": str(record.state),
            "codes": [reason.code for reason in record.reasons],
        },
    )


def _unreadable(host: Host) -> Iterator[DoctorFinding]:
    for where, what in host.index.problems:
        yield DoctorFinding(
            name="metadata",
            status="warning",
            message=f"{where} cannot be read, so its plugins are not seen: {what}",
            fix="Reinstall that distribution, or remove what is left of it",
            data={"path": where},
        )
