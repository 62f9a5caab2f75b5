"""Gates: whether a sound plugin can work here. Everything is answered from metadata, before any import."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from .hookspecs import HOST_API
from .manifest import SCHEMA_VERSION, Manifest
from .manifest_rules import parsed_requirement
from .memory import GIGABYTE, Memory, machine_memory
from .records import Reason, ReasonCode

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


def gate(manifest: Manifest, environment: Environment) -> tuple[list[Reason], list[Reason]]:
    """Check a manifest's needs.

    Args:
        manifest: Already validated: its specifiers and requirements can be parsed.
        environment: What is there.

    Returns:
        ``(faults, remarks)``: the plugin is usable when there is no fault.
    """
    faults = [
        *_schema(manifest),
        *_host_api(manifest, environment),
        *_python(manifest, environment),
        *_library("torch", "torch-version", manifest.compatibility.torch_version, environment),
        *_library("transformers", "transformers-version", manifest.compatibility.transformers_version, environment),
        *_dependencies(manifest, environment),
    ]
    memory_faults, remarks = _memory(manifest, environment)
    return faults + memory_faults, remarks


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


def _library(name: str, code: ReasonCode, wanted: str, environment: Environment) -> Iterator[Reason]:
    """A wrong version always counts; a missing library only when the manifest depends on it."""
    found = environment.installed.version(name)
    if found is not None and not satisfies(found, wanted):
        yield Reason(code, f"needs {name} {wanted}, installed is {found}", f"pip install '{name}{wanted}'")


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


def _memory(manifest: Manifest, environment: Environment) -> tuple[list[Reason], list[Reason]]:
    total_gb = manifest.compatibility.min_memory_gb
    free_gb = manifest.required_memory_gb
    if not total_gb and not free_gb:
        return [], []
    memory = environment.memory
    faults, remarks = [], []
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
    return faults, remarks
