"""What is checked: one distribution as files, metadata and entry points, wherever they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..installed import HOOKS_GROUP, MODELS_GROUP, EntryPointRef
from ..names import canonical_name
from .file_tree import FileTree
from .findings import Finding, TargetKind

if TYPE_CHECKING:
    from .wheel_archive import WheelArchive

SHARED = "inference_pio"
"""The package that the host owns and that plugins add to."""


@dataclass(frozen=True)
class DistMetadata:
    """What a distribution says of itself, from ``pyproject.toml`` or ``METADATA``.

    Attributes:
        where: The file that says it.
        name: As written.
        version: ``None`` when it is computed at build time.
        license: SPDX expression, or the free text of older metadata; ``None`` when there is none or it is computed.
        is_expression: Whether ``license`` is an SPDX expression, which can be compared.
        requires: PEP 508 texts; ``None`` when they are computed at build time.
        requires_python: PEP 440 specifier; empty accepts all.
    """

    where: str
    name: str
    version: str | None = None
    license: str | None = None
    is_expression: bool = False
    requires: tuple[str, ...] | None = ()
    requires_python: str = ""


@dataclass(frozen=True)
class Subject:
    """A distribution under check.

    Attributes:
        target: What was asked for.
        kind: What it turned out to be.
        files: What an import would find.
        entry_points: Of our two groups, in the order of the file.
        entry_points_file: Where they stand.
        metadata: ``None`` when there is none that can be read.
        dist_info: Files of the ``.dist-info`` by their name in it; empty for sources.
        wheel: The archive itself, for the checks that only a wheel allows.
        import_paths: Folders that hold the code for ``--import``; empty for archives, which are unpacked then.
        findings: What was found while opening it.
    """

    target: str
    kind: TargetKind
    files: FileTree
    entry_points: tuple[EntryPointRef, ...] = ()
    entry_points_file: str = ""
    metadata: DistMetadata | None = None
    dist_info: Mapping[str, bytes] = field(default_factory=dict)
    wheel: WheelArchive | None = None
    import_paths: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def models(self) -> list[EntryPointRef]:
        """Entry points of models that name a function."""
        return [ref for ref in self.entry_points if ref.group == MODELS_GROUP and ref.is_well_formed and ref.attribute]

    @property
    def hooks(self) -> list[EntryPointRef]:
        """Entry points of hook plugins that name a module or an object."""
        return [ref for ref in self.entry_points if ref.group == HOOKS_GROUP and ref.is_well_formed]

    @property
    def plugins(self) -> tuple[str, ...]:
        """Names of its plugins, models first."""
        return tuple(dict.fromkeys(canonical_name(ref.name) for ref in (*self.models, *self.hooks)))

    @property
    def homes(self) -> tuple[str, ...]:
        """Packages that belong to its plugins, in the order of the entry points."""
        return tuple(dict.fromkeys(home_package(ref.module) for ref in (*self.models, *self.hooks)))


def home_package(module: str) -> str:
    """Return the package that a plugin owns: its own top-level package, or its part of the shared one."""
    parts = module.split(".")
    depth = 1 if parts[0] != SHARED else 3 if parts[1:2] == ["models"] else 2
    return ".".join(parts[:depth])


def package_of(reference: EntryPointRef) -> str:
    """The package that holds an entry point's module, and with it the manifest; empty for a top-level module."""
    return reference.module.rpartition(".")[0]


def folder_of(package: str) -> str:
    """A dotted package as a path below the import root."""
    return package.replace(".", "/")
