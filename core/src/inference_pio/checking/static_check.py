"""All checks that run no code of the plugin, in the order in which an author would mend what they find."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from ..codes import Severity
from ..installed import EntryPointRef, scan_installed
from ..manifest import Manifest
from .agreement import Requirements, agreement_findings
from .entry_points import entry_point_findings, mirror_findings
from .findings import Finding, finding
from .hook_code import hook_findings, model_hook_findings
from .hygiene import code_findings, hygiene_findings
from .manifests import ManifestText, manifest_findings, read_manifest
from .model_code import model_code_findings, module_findings
from .python_versions import HOST_PYTHON, oldest
from .requirements import requirement_findings
from .structure import structure_findings
from .subject import Subject, package_of
from .syntax import Modules
from .wheel_content import namespace_findings, wheel_findings


def static_findings(subject: Subject) -> Iterator[Finding]:
    """Run every check that needs no import."""
    yield from subject.findings
    if any(found.code == "target-unreadable" for found in subject.findings):
        return
    yield from entry_point_findings(subject)
    yield from namespace_findings(subject)
    if subject.metadata is not None:
        yield from requirement_findings(subject.metadata)
    texts = {reference: read_manifest(subject, reference) for reference in subject.models}
    modules = Modules(subject.files, _oldest_python(subject, [text.manifest for text in texts.values()]))
    requirements_of = _installed_requirements()
    for reference, text in texts.items():
        yield from _model(subject, reference, text, modules, requirements_of)
    for reference in subject.hooks:
        yield from module_findings(reference, modules, subject.entry_points_file)
        yield from hook_findings(reference, modules)
        yield from hygiene_findings(reference.module, modules)
    for home in subject.homes:
        yield from code_findings(home, modules)
    yield from _syntax_findings(subject, modules)
    if subject.wheel is not None:
        yield from wheel_findings(subject)


def _syntax_findings(subject: Subject, modules: Modules) -> Iterator[Finding]:
    version = ".".join(map(str, modules.oldest))
    severity: Severity | None = None
    message = f"Python {version} cannot parse it"
    if modules.oldest > sys.version_info[:2]:  # whose grammar this Python does not know
        severity = "warning"
        message = f"Python {platform.python_version()} cannot parse it, nor need it; check it with Python {version}"
    for file, (line, what) in modules.errors.items():
        yield finding("syntax-error", f"{message}: {what}", f"{subject.files.shown(file)}:{line}", severity=severity)


def _model(
    subject: Subject, reference: EntryPointRef, text: ManifestText, modules: Modules, requirements_of: Requirements
) -> Iterator[Finding]:
    yield from manifest_findings(text)
    manifest = text.manifest
    if manifest is not None:
        yield from mirror_findings(reference, manifest, subject.entry_points_file)
        if subject.metadata is not None:
            yield from agreement_findings(reference.name, manifest, subject.metadata, text.where, requirements_of)
    class_name = manifest.entry_point.class_name if manifest else ""
    yield from module_findings(reference, modules, subject.entry_points_file)
    yield from model_code_findings(reference, class_name, modules)
    yield from model_hook_findings(reference, class_name, modules)
    yield from hygiene_findings(reference.module, modules)
    if package_of(reference):
        yield from structure_findings(package_of(reference), modules)


def _oldest_python(subject: Subject, manifests: list[Manifest | None]) -> tuple[int, int]:
    """The oldest Python that metadata and manifests claim together; older ones than the host's run no plugin."""
    claims = [HOST_PYTHON]
    claims += [manifest.compatibility.python_version for manifest in manifests if manifest is not None]
    if subject.metadata is not None:
        claims.append(subject.metadata.requires_python)
    return oldest(claims)


def _installed_requirements() -> Requirements:
    installed = scan_installed()

    def requirements_of(name: str) -> list[str] | None:
        return installed.requirements(name) if installed.version(name) is not None else None

    return requirements_of
