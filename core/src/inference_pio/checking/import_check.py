"""``check --import``: imports each plugin of a target in a process of its own; what happened becomes findings."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckError
from ..installed import MODELS_GROUP, EntryPointRef
from ..names import canonical_name
from . import probe
from .bounded_process import Ended, run_bounded
from .findings import Finding, finding
from .manifests import read_manifest
from .subject import Subject
from .wheel_archive import DAMAGE, WheelArchive, leaves_folder

_IMPOSSIBLE = frozenset({"member-outside", "shadows-host", "stray-init", "target-unreadable"})
"""Errors after which an import would not be that of the plugin, or would harm the host that checks."""

_MAX_UNPACKED_BYTES = 4_000_000_000
_HIDDEN_DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@dataclass
class Imported:
    """What the imports of one target showed.

    Attributes:
        findings: Of all its plugins.
        measured: By plugin.
    """

    findings: list[Finding] = field(default_factory=list)
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)


def import_findings(subject: Subject, static: Sequence[Finding], timeout_s: float) -> Imported:
    """Import every plugin of a target.

    Args:
        subject: The target.
        static: What was found without an import.
        timeout_s: Seconds that one plugin may take.

    Raises:
        CheckError: The process cannot be started.
    """
    imported = Imported()
    in_the_way = sorted({found.code for found in static if found.code in _IMPOSSIBLE})
    references = [*subject.models, *subject.hooks]
    if in_the_way or not references:
        what = f"errors are in the way: {', '.join(in_the_way)}" if in_the_way else "there is no plugin to import"
        imported.findings.append(finding("import-not-tried", f"nothing was imported, for {what}"))
        return imported
    with _search_paths(subject) as paths:
        for reference in references:
            _import_one(subject, reference, paths, timeout_s, imported)
    return imported


def _import_one(
    subject: Subject, reference: EntryPointRef, paths: Sequence[str], timeout_s: float, imported: Imported
) -> None:
    manifest = read_manifest(subject, reference) if reference.group == MODELS_GROUP else None
    if manifest is not None and manifest.manifest is None:
        message = f"{reference.name} was not imported: the host loads no model without a sound manifest"
        imported.findings.append(finding("import-not-tried", message))
        return
    metadata = subject.metadata
    name = canonical_name(reference.name)
    job = {
        "path": _ordered_path(paths),
        "target": list(paths),
        "group": reference.group,
        "name": name,
        "value": reference.value,
        "dist": metadata.name if metadata else "unknown",
        "version": (metadata and metadata.version) or "unknown",
        "manifest": (manifest.content or b"").decode("utf-8", "replace") if manifest else "",
    }
    with tempfile.TemporaryDirectory(prefix="inference-pio-import-", ignore_cleanup_errors=True) as folder:
        session = _run(job, Path(folder), timeout_s)
    where = subject.files.shown(f"{reference.module.replace('.', '/')}.py")
    imported.findings += [finding(code, message, where) for code, message in session.told(reference, timeout_s)]
    imported.measured[name] = session.measured


@dataclass(frozen=True)
class _Session:
    """What one process told, and how it ended."""

    observations: list[dict[str, Any]]
    ended: Ended

    @property
    def measured(self) -> dict[str, Any]:
        """Seconds and libraries; empty when the import did not end well."""
        return next((o["measured"] for o in self.observations if "measured" in o), {})

    def told(self, reference: EntryPointRef, timeout_s: float) -> Iterator[tuple[str, str]]:
        """Yield code and message of everything that was seen, from inside and from outside."""
        for observation in self.observations:
            if "code" in observation:
                yield observation["code"], observation["message"]
        if self.ended.stdout.size:
            yield "import-prints", f"{reference.module} writes to standard output: {self._first_line()}"
        if not any("done" in observation for observation in self.observations):
            yield self._end(reference, timeout_s)

    def _first_line(self) -> str:
        line = self.ended.stdout.head.decode("utf-8", "replace").strip().partition("\n")[0]
        return f"{line[:80]!r}, {self.ended.stdout.size} bytes in all"

    def _end(self, reference: EntryPointRef, timeout_s: float) -> tuple[str, str]:
        stages = [observation["stage"] for observation in self.observations if "stage" in observation]
        if not stages:
            tail = self.ended.stderr.tail.decode("utf-8", "replace").strip()
            raise CheckError(f"the process that imports plugins did not start (exit code {self.ended.code}): {tail}")
        doing = {"import": "importing", "factory": "calling the factory of", "hooks": "registering the hooks of"}
        what = f"{doing[stages[-1]]} {reference.module}"
        if self.ended.code is None:
            return "import-hangs", f"{what} did not end within {timeout_s:g} s"
        if self.ended.code < 0:
            return "import-crashes", f"{what} crashed the process: {_signal_name(-self.ended.code)}"
        return "import-ends-process", f"{what} ended the process at once, with code {self.ended.code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _run(job: dict[str, Any], folder: Path, timeout_s: float) -> _Session:
    report, order, place = folder / "report.jsonl", folder / "job.json", folder / "cwd"
    place.mkdir()
    order.write_text(json.dumps({**job, "report": str(report)}), encoding="utf-8")
    # Isolated, unbuffered (what is printed before a crash counts), and without leaving bytecode in somebody's sources.
    command = [sys.executable, "-I", "-u", "-B", "-X", "faulthandler", str(probe.__file__), str(order)]
    environment = {name: value for name, value in os.environ.items() if name != "INFERENCE_PIO_STRICT"}
    environment.update(dict.fromkeys(_HIDDEN_DEVICES, ""))
    try:
        ended = run_bounded(command, folder=place, environment=environment, timeout_s=timeout_s)
        lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
        return _Session([json.loads(line) for line in lines], ended)
    except (OSError, ValueError) as error:
        raise CheckError(f"cannot import the plugin in a process of its own: {error}") from error


def _ordered_path(paths: Sequence[str]) -> list[str]:
    """The search path: the standard library, then the target, then what is installed here.

    So the target wins over an installed version of itself, but cannot take the place of a standard module.
    """
    library = Path(sysconfig.get_path("stdlib"))
    everything = [entry or str(Path.cwd()) for entry in sys.path]
    standard = [p for p in everything if Path(p) in (library, library / "lib-dynload") or p.endswith(".zip")]
    return [*standard, *paths, *(entry for entry in everything if entry not in standard)]


@contextlib.contextmanager
def _search_paths(subject: Subject) -> Iterator[Sequence[str]]:
    """Yield the folders that hold the target's code; a wheel is unpacked for the time being."""
    if subject.wheel is None:
        yield subject.import_paths
        return
    with tempfile.TemporaryDirectory(prefix="inference-pio-wheel-", ignore_cleanup_errors=True) as folder:
        _unpack(subject.wheel, folder)
        yield [folder]


def _unpack(wheel: WheelArchive, folder: str) -> None:
    size = sum(info.file_size for info in wheel.archive.infolist())
    if size > _MAX_UNPACKED_BYTES:
        raise CheckError(f"the wheel unpacks to {size} bytes; at most {_MAX_UNPACKED_BYTES} are unpacked for a check")
    try:
        wheel.archive.extractall(folder, [name for name in wheel.names if not leaves_folder(name)])
    except (OSError, ValueError, *DAMAGE) as error:
        raise CheckError(f"the wheel cannot be unpacked: {error}") from error
