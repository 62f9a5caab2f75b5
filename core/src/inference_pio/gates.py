"""Gates: whether a sound plugin can work here. Everything is answered from metadata, before any import."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from .hookspecs import HOST_API
from .manifest import SCHEMA_VERSION, Manifest
from .manifest_rules import parsed_requirement
from .memory import GIGABYTE, Memory, machine_memory
from .records import Gate, Outcome, PluginState, Reason, ReasonCode

if TYPE_CHECKING:
    from packaging.requirements import Requirement

MEMORY: Final = "memory"
"""Code of the one gate that ``force`` overrides."""


class Versions(Protocol):
    """What is installed (``inference_pio.installed.Installed``)."""

    def version(self, name: str) -> str | None:
        """Version of a distribution, ``None`` when it is not installed."""

    def requirements(self, name: str) -> list[str]:
        """Its own requirements."""


@dataclass(frozen=True)
class Environment:
    """What plugins are gated against.

    Attributes:
        installed: Installed distributions.
        python: Version of the interpreter; without a pre-release part, as pip sees it.
        host_api: Version of the hook specifications.
        measure: Measures the memory; called once, and only if a plugin needs some.
    """

    installed: Versions
    python: str = ".".join(map(str, sys.version_info[:3]))
    host_api: str = HOST_API
    measure: Callable[[], Memory] = machine_memory

    @functools.cached_property
    def memory(self) -> Memory:
        """What there is, in bytes."""
        return self.measure()


def gate_outcomes(manifest: Manifest, environment: Environment) -> Iterator[Outcome]:
    """Ask whether a manifest's needs are met; one outcome for each gate.

    Args:
        manifest: Already validated: its specifiers and requirements can be parsed.
        environment: What is there.
    """
    needs = manifest.compatibility
    yield _outcome("schema", f"schema_version {manifest.schema_version}", _schema(manifest))
    yield _outcome(
        "host-api", _met("host API", manifest.host_api, environment.host_api), _host_api(manifest, environment)
    )
    yield _outcome("python", _met("Python", needs.python_version, environment.python), _python(manifest, environment))
    yield _library("torch", "torch-version", needs.torch_version, environment)
    yield _library("transformers", "transformers-version", needs.transformers_version, environment)
    count = len(manifest.dependencies)
    met = f"all {count} installed: {', '.join(manifest.dependencies)}" if count else "the manifest lists none"
    yield _outcome("dependencies", met, _dependencies(manifest, environment))
    yield _memory(manifest, environment)


def _outcome(gate: Gate, met: str, faults: Iterable[Reason]) -> Outcome:
    reasons = tuple(faults)
    return Outcome(gate, met, reasons, PluginState.INCOMPATIBLE if reasons else None)


def _met(what: str, wanted: str, found: str | None) -> str:
    if found is None:
        return f"{what} {wanted or 'of any version'} if there is one; none is here"
    return f"{what} {wanted or 'of any version'} is wanted, {found} is here"


@functools.cache
def satisfies(version: str, specifier: str) -> bool:
    """Whether a version lies in a PEP 440 specifier.

    Pre-releases count as what they are (``2.14.0.dev1`` is above ``2.13``), and local builds as their public version
    (``2.13.0+cpu`` is ``2.13.0``). A version that is not PEP 440 satisfies only the empty specifier.
    """
    if not specifier.strip():
        return True
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _schema(manifest: Manifest) -> Iterator[Reason]:
    if manifest.schema_version > SCHEMA_VERSION:
        yield Reason(
            "schema-version",
            f"its manifest has schema_version {manifest.schema_version}, this host knows {SCHEMA_VERSION}",
            "Upgrade the host: pip install -U inference-pio",
        )


def _host_api(manifest: Manifest, environment: Environment) -> Iterator[Reason]:
    if not satisfies(environment.host_api, manifest.host_api):
        yield Reason(
            "host-api",
            f"needs host API {manifest.host_api}, this host has {environment.host_api}",
            "Upgrade host and plugin together: pip install -U inference-pio and the plugin's distribution",
        )


def _python(manifest: Manifest, environment: Environment) -> Iterator[Reason]:
    wanted = manifest.compatibility.python_version
    if not satisfies(environment.python, wanted):
        yield Reason(
            "python-version",
            f"needs Python {wanted}, this is {environment.python}",
            f"Use an environment with Python {wanted}",
        )


def _library(
    name: Literal["torch", "transformers"], code: ReasonCode, wanted: str, environment: Environment
) -> Outcome:
    """A wrong version always counts; a missing library only when the manifest depends on it."""
    found = environment.installed.version(name)
    faults = []
    if found is not None and not satisfies(found, wanted):
        faults = [Reason(code, f"needs {name} {wanted}, installed is {found}", f"pip install '{name}{wanted}'")]
    return _outcome(name, _met(name, wanted, found), faults)


def _dependencies(manifest: Manifest, environment: Environment) -> Iterator[Reason]:
    if not manifest.dependencies:
        return
    compatibility = manifest.compatibility
    wanted = {"torch": compatibility.torch_version, "transformers": compatibility.transformers_version}
    for text in manifest.dependencies:
        requirement = parsed_requirement(text)
        install = str(requirement.specifier) or wanted.get(requirement.name.lower(), "")
        yield from _requirement(requirement, install, environment, extra="", seen=set())


def _requirement(
    requirement: Requirement, install: str, environment: Environment, extra: str, seen: set[tuple[str, str]]
) -> Iterator[Reason]:
    """Check one requirement, and what its extras require in turn.

    Args:
        requirement: PEP 508.
        install: Specifier for the advice.
        environment: What is there.
        extra: The extra that brought this requirement in, for its marker.
        seen: ``(distribution, extra)`` pairs already followed; extras may name each other.
    """
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        return
    found = environment.installed.version(requirement.name)
    advice = f"pip install '{requirement.name}{install}'"
    if found is None:
        yield Reason("dependency-missing", f"needs {requirement.name}, which is not installed", advice)
        return
    if not satisfies(found, str(requirement.specifier)):
        yield Reason(
            "dependency-version", f"needs {requirement.name} {requirement.specifier}, installed is {found}", advice
        )
    for name in sorted(requirement.extras):
        if (requirement.name.lower(), name) not in seen:
            seen.add((requirement.name.lower(), name))
            yield from _extra(requirement.name, name, environment, seen)


def _extra(dist: str, extra: str, environment: Environment, seen: set[tuple[str, str]]) -> Iterator[Reason]:
    for text in environment.installed.requirements(dist):
        try:
            requirement = parsed_requirement(text)
        except ValueError:  # another distribution's defect, and pip's business
            continue
        if requirement.marker and "extra" in str(requirement.marker):
            yield from _requirement(requirement, str(requirement.specifier), environment, extra, seen)


def _memory(manifest: Manifest, environment: Environment) -> Outcome:
    total_gb = manifest.compatibility.min_memory_gb
    free_gb = manifest.required_memory_gb
    if not total_gb and not free_gb:
        return Outcome("memory", "the manifest asks for none")
    memory = environment.memory
    faults, remarks, met = [], [], []
    for needed, there, what in ((total_gb, memory.total, "in the machine"), (free_gb, memory.available, "available")):
        if not needed:
            continue
        if there is None:
            remarks.append(
                Reason("memory-unknown", f"needs {needed:g} GB {what}; how much there is cannot be told here")
            )
        elif there < needed * GIGABYTE:
            faults.append(
                Reason(
                    MEMORY,
                    f"needs {needed:g} GB of memory {what}, there are {there / GIGABYTE:.1f}",
                    "Close other programs or raise the container's limit, or try all the same: --force",
                )
            )
        else:
            met.append(f"{needed:g} GB {what} are wanted, {there / GIGABYTE:.1f} are there")
    if faults:
        return Outcome("memory", reasons=tuple(faults), state=PluginState.INCOMPATIBLE)
    return Outcome("memory", "; ".join(met), tuple(remarks))
