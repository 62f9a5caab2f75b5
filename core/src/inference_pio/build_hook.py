"""The check as a hatchling build hook: what has errors is not built.

An author asks for it in ``pyproject.toml``::

    [build-system]
    requires = ["hatchling", "inference-pio"]
    build-backend = "hatchling.build"

    [tool.hatch.build.hooks.inference-pio]
    strict = true              # warnings stop the build too
    ignore = ["untyped"]       # codes that do not count

hatchling loads this module in every build where the host is installed, also of projects that do not use the hook, so
it imports next to nothing; and the host does not depend on hatchling, so the class is made when hatchling asks for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .checking.findings import CheckReport, Finding

PLUGIN_NAME = "inference-pio"

_hookimpl = pluggy.HookimplMarker("hatch")


class BuildCheck:
    """What the hook does; hatchling's interface, which provides the attributes, is mixed in by ``build_hook_class``."""

    root: str
    config: dict[str, Any]
    target_name: str
    app: Any

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Check the project before anything is built from it, an editable install included."""
        problem = self._problem(self.root)
        if problem:
            self.app.abort(problem)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Check the wheel that was built. One with errors is deleted, so that nobody uploads it."""
        if self.target_name != "wheel" or version != "standard":
            return
        problem = self._problem(artifact_path)
        if problem:
            Path(artifact_path).unlink(missing_ok=True)
            self.app.abort(problem)

    def _problem(self, target: str) -> str:
        """Check a target; what does not stop the build is shown, what does is returned."""
        from .checking import check_target

        strict, ignored = self._options()
        report = check_target(target)
        counting = [found for found in report.findings if found.code not in ignored]
        stopping = [f for f in counting if f.severity == "error" or (strict and f.severity == "warning")]
        for found in counting:
            if found not in stopping and found.severity != "info":
                self.app.display_warning(_line(found))
        return _text(report, stopping) if stopping else ""

    def _options(self) -> tuple[bool, frozenset[str]]:
        from .codes import all_codes
        from .names import nearest_names

        strict, ignored = self.config.get("strict", False), self.config.get("ignore", [])
        if not isinstance(strict, bool) or not isinstance(ignored, list):
            self.app.abort(f"[tool.hatch.build.hooks.{PLUGIN_NAME}]: strict is true or false, ignore a list of codes")
        for code in map(str, ignored):
            if code not in all_codes():
                nearest = nearest_names(code, all_codes(), limit=1)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                self.app.abort(f"[tool.hatch.build.hooks.{PLUGIN_NAME}] ignores {code!r}, which is no code{hint}")
        return strict, frozenset(ignored)


def _text(report: CheckReport, stopping: Iterable[Finding]) -> str:
    lines = [f"inference-pio check of {Path(report.target).name} stops the build:", *map(_line, stopping)]
    return "\n".join([*lines, "What a code means: inference-pio explain CODE"])


def _line(found: Finding) -> str:
    return f"{found.severity}: {found.code}: {found.where}: {found.message}. {found.fix}"


def build_hook_class() -> type:
    """Return the class that hatchling instantiates."""
    interface: Any = importlib.import_module("hatchling.builders.hooks.plugin.interface").BuildHookInterface
    return type("InferencePioBuildHook", (BuildCheck, interface), {"PLUGIN_NAME": PLUGIN_NAME})


@_hookimpl
def hatch_register_build_hook() -> type:
    """Tell hatchling of the hook."""
    return build_hook_class()
