"""pip, as a child process: what installs, resolves and uninstalls."""

from __future__ import annotations

import importlib.util
import os
import re
import sys

from ..errors import InstallError
from ..installed import Installed
from .child import Finished, module_command, run_child

OLDEST_PIP = "22.2"
"""The first that reports what it would do as JSON."""

_OPTIONS = ("--no-input", "--disable-pip-version-check")
# Settings that would lead pip to another place than this environment, or change what is read from it.
_NOT_PASSED = ("TARGET", "PREFIX", "ROOT", "USER", "REPORT", "DRY_RUN", "QUIET", "VERBOSE", "IGNORE_INSTALLED", "LOG")
_POINTLESS = re.compile(r"ResolutionImpossible: for help|^To see the full command line")


def require_pip(installed: Installed) -> None:
    """Check that this interpreter has a pip that can be used.

    Raises:
        InstallError: It has none, or one that is too old.
    """
    python = sys.executable or "this Python"
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise InstallError(
            f"{python} has no pip, which does the installing. Add it: {python} -m ensurepip "
            "(with uv: uv pip install pip)"
        )
    from ..gates import satisfies

    version = installed.version("pip")
    if version is not None and not satisfies(version, f">={OLDEST_PIP}"):
        raise InstallError(
            f"pip {version} is too old to say beforehand what it would change; {OLDEST_PIP} is the first that does. "
            f"Upgrade it: {python} -m pip install -U pip"
        )


def run_pip(command: str, *arguments: str, is_shown: bool = False) -> Finished:
    """Run one pip command with the user's own configuration of pip.

    Args:
        command: ``install``, for example.
        arguments: What follows it.
        is_shown: Let the person see pip's messages and progress, on standard error.
    """
    environment = {key: value for key, value in os.environ.items() if key not in {f"PIP_{n}" for n in _NOT_PASSED}}
    quiet = () if is_shown else ("--progress-bar=off",) if command == "install" else ()
    return run_child(
        module_command("pip", command, *_OPTIONS, *quiet, *arguments), environment=environment, is_shown=is_shown
    )


def last_error(finished: Finished) -> str:
    """Return what pip says of its failure, in one line."""
    if finished.code is not None and finished.code < 0:
        return f"pip was ended by signal {-finished.code}"
    lines = [line.strip() for line in finished.text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "error:"))]
    told = [text for line in errors if not _POINTLESS.search(text := re.sub(r"^(ERROR|error):\s*", "", line))]
    chosen = told or lines[-1:] or [f"pip ended with exit code {finished.code}"]
    return "; ".join(dict.fromkeys(line.rstrip(".") for line in chosen[-3:]))
