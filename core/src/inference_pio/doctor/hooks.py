"""Hook plugins, tried out: each is loaded, its hooks are compared with the specifications, and its checks are run."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from .. import settings
from ..errors import describe_error
from ..hookspecs import DoctorFinding
from ..time_limit import call_with_limit
from .loading_limit import loading_limit
from .plugins import plugin_finding
from .report import GROUPS, STATUSES, PluginDefect

if TYPE_CHECKING:
    from ..hook_registry import Implementation
    from ..host import Host

logger = logging.getLogger(__name__)
T = TypeVar("T")

HOOK = "pio_doctor_checks"

CHECK_LIMIT_S = 10.0
"""Seconds that one contributed check may take."""

LOADING_LIMIT_S = 30.0
"""Seconds after which the loading of a hook plugin is broken off."""


def hook_findings(
    host: Host, *, check_limit_s: float = CHECK_LIMIT_S, loading_limit_s: float = LOADING_LIMIT_S
) -> list[DoctorFinding]:
    """Load the hook plugins, say how they are, and run the checks that they contribute.

    Whatever a plugin does (raise, exit, answer with anything, never return), it becomes a finding that names it.

    Args:
        host: Whose plugins.
        check_limit_s: What takes longer is left behind.
        loading_limit_s: A plugin whose import takes longer fails, where the system has timers.
    """
    with loading_limit(loading_limit_s):
        implementations = host.hooks.implementations(HOOK)
    found = [plugin_finding(record, "hooks") for record in host.hook_plugins()]
    for implementation in implementations:
        found += _contributed(implementation, check_limit_s)
    return found


def _contributed(implementation: Implementation, limit_s: float) -> Iterator[DoctorFinding]:
    """Yield the findings of one plugin's checks."""
    # Counted out inside, for a generator may be what never ends.
    checks = _attempt(implementation, HOOK, lambda: list(implementation.call({}) or ()), limit_s)
    if isinstance(checks, PluginDefect):
        yield checks
        return
    for check in checks:
        name = getattr(check, "__qualname__", type(check).__name__)
        yield _attempt(implementation, name, functools.partial(_run, check), limit_s)


def _attempt(implementation: Implementation, what: str, function: Callable[[], T], limit_s: float) -> T | PluginDefect:
    """Return a function's answer, or a finding that says how it failed.

    What it raises is caught inside: a ``TimeoutError`` of its own, of a network say, is not that of the limit.
    """

    def contained() -> T | PluginDefect:
        try:
            return function()
        except BaseException as error:
            if settings.is_strict():
                raise
            logger.debug("%s of %r failed", what, implementation.plugin, exc_info=True)
            return _defect(implementation, "check-failed", f"{what}: {describe_error(error)}")

    try:
        return call_with_limit(contained, limit_s)
    except TimeoutError:
        if settings.is_strict():
            raise
        return _defect(implementation, "check-timeout", f"{what} had not ended after {limit_s:g} s")


def _run(check: Callable[[], DoctorFinding]) -> DoctorFinding:
    finding = check()
    if not isinstance(finding, DoctorFinding):
        raise TypeError(f"expected a DoctorFinding, got {type(finding).__name__}")
    texts = (finding.name, finding.message, finding.fix, finding.code)
    if not all(isinstance(text, str) for text in texts) or finding.status not in STATUSES:
        raise TypeError(f"a DoctorFinding has texts, and a status of {', '.join(STATUSES)}; got {finding!r}")
    # A section that nobody knows would not be shown; data that is not JSON would break --json.
    return replace(finding, group=finding.group if finding.group in GROUPS else "hooks", data=_plain(finding.data))


def _plain(data: Any) -> Any:
    return None if data is None else json.loads(json.dumps(dict(data), default=str, skipkeys=True))


def _defect(implementation: Implementation, code: str, what: str) -> PluginDefect:
    owner = implementation.dist or implementation.plugin
    return PluginDefect(
        code=code,
        group="hooks",
        name=f"hooks {implementation.plugin}",
        status="error",
        message=f"{owner}: the check itself failed, {what}",
        fix=f"Tell its author, or leave it out: inference-pio disable {implementation.plugin}",
        data={"plugin": implementation.plugin},
    )
