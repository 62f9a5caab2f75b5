"""Whether what an install brought may stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..installed import Installed
from ..manifest_rules import parsed_requirement
from ..names import canonical_name
from .distributions import Change
from .observation import SeenPlugin

_DEFECT, _ENVIRONMENT = 3, 1
"""Exit codes: its author must mend it; its user can."""

_KEEP = "--force keeps it all the same"


@dataclass(frozen=True)
class Fault:
    """A reason not to keep what was installed.

    Attributes:
        code: Stable; stands in ``inference_pio.codes.installation``, or is that of the plugin's state.
        message: What is the matter and what to do; a sentence without its full stop.
        dist: Distribution at fault, canonical.
        exit_code: Of the command line.
    """

    code: str
    message: str
    dist: str
    exit_code: int = _DEFECT


def judge(
    before: Iterable[SeenPlugin], after: Sequence[SeenPlugin], changes: Sequence[Change], requested: Collection[str],
    installed: Installed,
) -> Iterator[Fault]:  # fmt: skip
    """Yield what is wrong with the new state of the environment, as far as it shows without running plugins.

    Args:
        before: Plugins before the install.
        after: Plugins now.
        changes: What the install changed.
        requested: Canonical names of the distributions that the user named.
        installed: A scan of what is there now.
    """
    changed = {change.name for change in changes}
    yield from _strangers(after, changed, requested, installed)
    for plugin in after:
        if plugin.dist in changed and not plugin.is_ready and plugin.state != "disabled":
            yield _not_ready(plugin)
    yield from _broken_others(before, after, changed)


def check_fault(plugin: SeenPlugin, defects: Sequence[str]) -> Fault:
    """Return the fault of a plugin that failed its check."""
    more = f" (and {len(defects) - 3} more)" if len(defects) > 3 else ""
    told = "; ".join(defect.rstrip(".") for defect in defects[:3])
    return Fault(
        "install-check-failed", f"plugin {plugin.name!r} ({_dist(plugin)}) is defective: {told}{more}", plugin.dist
    )


def _dist(plugin: SeenPlugin) -> str:
    return f"{plugin.dist} {plugin.version}"


def _not_ready(plugin: SeenPlugin) -> Fault:
    code = plugin.reasons[0]["code"] if plugin.reasons else "install-check-failed"
    message = f"plugin {plugin.name!r} ({_dist(plugin)}) is {plugin.state}: {plugin.explanation}"
    if plugin.lacks_memory_only:
        message = f"{message}; {_KEEP}"
    return Fault(code, message, plugin.dist, _DEFECT if plugin.state == "invalid" else _ENVIRONMENT)


def _strangers(
    plugins: Iterable[SeenPlugin], changed: Collection[str], requested: Collection[str], installed: Installed
) -> Iterator[Fault]:
    """Distributions that were asked for, that are no plugins, and that no plugin among the new ones needs."""
    owners = {plugin.dist for plugin in plugins}
    needed = requirements_closure(owners & set(changed), installed)
    for name in sorted(set(requested) & set(changed) - owners - needed):
        yield Fault(
            "install-not-a-plugin",
            f"{name} {installed.version(name)} is not a plugin: it has no entry point in the groups "
            f"inference_pio.models and inference_pio.hooks. If you want it as a library: pip install {name}",
            name,
        )


def _broken_others(
    before: Iterable[SeenPlugin], after: Iterable[SeenPlugin], changed: Collection[str]
) -> Iterator[Fault]:
    now: Mapping[tuple[str, str, str], SeenPlugin] = {(p.kind, p.name, p.dist): p for p in after}
    for plugin in before:
        other = now.get((plugin.kind, plugin.name, plugin.dist))
        if plugin.dist in changed or not plugin.is_ready or other is None or other.is_ready:
            continue
        if not other.lacks_memory_only:
            yield Fault(
                "install-breaks-another",
                f"plugin {plugin.name!r} ({_dist(plugin)}), which was ready, would be {other.state}: "
                f"{other.explanation}",
                plugin.dist,
                _ENVIRONMENT,
            )


def requirements_closure(names: Iterable[str], installed: Installed) -> set[str]:
    """Return everything that some distributions need to be installed, themselves left out unless they need each other.

    Extras count where a requirement asks for them.
    """
    found: set[str] = set()
    pending: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        item = pending.pop()
        if item in seen:
            continue
        seen.add(item)
        for name, extras in _requirements(*item, installed):
            found.add(name)
            pending.append((name, extras))
    return found


def _requirements(dist: str, extras: frozenset[str], installed: Installed) -> Iterator[tuple[str, frozenset[str]]]:
    for text in installed.requirements(dist):
        try:
            requirement = parsed_requirement(text)
        except ValueError:  # a defect of that distribution, and pip's business
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonical_name(requirement.name), frozenset(requirement.extras)
