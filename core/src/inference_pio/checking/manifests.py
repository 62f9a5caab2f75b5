"""The manifest of a model: found beside its module, read as data, compared with the definition and this host."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from ..gates import satisfies
from ..hookspecs import HOST_API
from ..installed import EntryPointRef
from ..manifest import MANIFEST_NAME, SCHEMA_VERSION, CheckedManifest, Manifest, check_manifest
from ..manifest_files import EXTRA_METADATA, MAX_MANIFEST_BYTES, ManifestFileError
from .findings import Finding, finding
from .subject import Subject, folder_of, package_of

PLACEHOLDERS = {
    "$.name": {"ModelName"},
    "$.author": {"Your Name"},
    "$.description": {"Description of your model"},
    "$.model_architecture": {"Architecture Type"},
    "$.model_size": {"Model Size"},
    "$.model_family": {"Model Family"},
}
"""Texts of the template that say nothing about a model."""

_TEMPLATE_TAGS = ["description", "of", "model"]


@dataclass(frozen=True)
class ManifestText:
    """A manifest's place and content.

    Attributes:
        where: For messages.
        content: ``None`` when it cannot be read.
        problem: Why there is no content; empty when there is simply no file.
    """

    where: str
    content: bytes | None
    problem: str = ""

    @functools.cached_property
    def checked(self) -> CheckedManifest:
        """The content after the host's own checks."""
        return check_manifest(self.content) if self.content is not None else CheckedManifest(None)

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, if it is sound."""
        return self.checked.manifest


def read_manifest(subject: Subject, reference: EntryPointRef) -> ManifestText:
    """Read the manifest of one model, beside its module or else from the ``.dist-info``, as the host does."""
    name = f"{folder_of(package_of(reference))}/{MANIFEST_NAME}"
    where = subject.files.shown(name)
    if name not in subject.files:
        copy = subject.dist_info.get(f"{EXTRA_METADATA}/{MANIFEST_NAME}")
        return ManifestText(f"{EXTRA_METADATA}/{MANIFEST_NAME}" if copy else where, copy)
    try:
        content = subject.files.read(name)
    except (OSError, ValueError, ManifestFileError) as error:
        return ManifestText(where, None, str(error))
    if len(content) > MAX_MANIFEST_BYTES:
        return ManifestText(where, None, f"it has more than {MAX_MANIFEST_BYTES} bytes")
    return ManifestText(where, content)


def manifest_findings(text: ManifestText) -> Iterator[Finding]:
    """Compare one manifest with the typed definition, with the template and with this host."""
    if text.content is None:
        if text.problem:
            yield finding("manifest-unreadable", f"the manifest cannot be read: {text.problem}", text.where)
        else:
            yield finding("no-manifest", f"there is no {MANIFEST_NAME} beside the plugin's module", text.where)
        return
    yield from _faults(text)
    if text.manifest is not None:
        yield from _host(text.manifest, text.where)
        yield from _placeholders(text.manifest, text.where)
        yield from _weights(text.manifest, text.where)


def _faults(text: ManifestText) -> Iterator[Finding]:
    for fault in text.checked.faults:
        path, _, what = fault.partition(": ")
        code = "manifest-key-twice" if what == "stands twice" else "manifest-invalid"
        yield finding(code, f"{path}: {what}", f"{text.where}:{path}")
    for path in text.checked.unknown:
        yield finding("manifest-unknown-key", f"nobody knows the key {path}", f"{text.where}:{path}")


def _host(manifest: Manifest, where: str) -> Iterator[Finding]:
    if manifest.schema_version > SCHEMA_VERSION:
        yield finding(
            "schema-too-new",
            f"schema_version is {manifest.schema_version}, this host knows {SCHEMA_VERSION}",
            f"{where}:$.schema_version",
        )
    if not manifest.host_api.strip():
        yield finding("host-api-missing", "host_api does not say which hosts it works with", f"{where}:$.host_api")
    elif not satisfies(HOST_API, manifest.host_api):
        yield finding(
            "host-api-excludes-host",
            f"host_api is {manifest.host_api!r}, this host has {HOST_API}",
            f"{where}:$.host_api",
        )


def _placeholders(manifest: Manifest, where: str) -> Iterator[Finding]:
    for path, texts in PLACEHOLDERS.items():
        value = getattr(manifest, path[2:])
        if value in texts:
            yield finding("placeholder-left", f"{path} is still the template's {value!r}", f"{where}:{path}")
    if manifest.tags == _TEMPLATE_TAGS:
        yield finding("placeholder-left", "$.tags are still the template's", f"{where}:$.tags")
    if not manifest.license.strip():
        yield finding("license-missing", "the manifest names no license", f"{where}:$.license")


def _weights(manifest: Manifest, where: str) -> Iterator[Finding]:
    for index, entry in enumerate(manifest.weights):
        absent = [name for name in ("sha256", "size_bytes") if getattr(entry, name) is None]
        if absent:
            message = f"the checkpoint {entry.id!r} has no {' and no '.join(absent)}, so nothing is compared"
            yield finding("weights-unverified", message, f"{where}:$.weights[{index}]")
