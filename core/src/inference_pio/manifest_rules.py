"""What a manifest's types cannot say: texts that must parse, names that must differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .manifest import Manifest


def broken_rules(manifest: Manifest) -> tuple[str, ...]:
    """Return the faults of a well-typed manifest, each with its JSON path."""
    return (*_specifiers(manifest), *_requirements(manifest), *_weights(manifest))


def _specifiers(manifest: Manifest) -> Iterator[str]:
    compatibility = manifest.compatibility
    texts = {
        "$.compatibility.torch_version": compatibility.torch_version,
        "$.compatibility.transformers_version": compatibility.transformers_version,
        "$.compatibility.python_version": compatibility.python_version,
        "$.host_api": manifest.host_api,
    }
    if not any(texts.values()):
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    for path, text in texts.items():
        try:
            SpecifierSet(text)
        except InvalidSpecifier:
            yield f"{path}: {text!r} is not a version specifier such as '>=2.0.0'"


def _requirements(manifest: Manifest) -> Iterator[str]:
    if not manifest.dependencies:
        return
    from packaging.requirements import InvalidRequirement, Requirement

    for index, text in enumerate(manifest.dependencies):
        try:
            Requirement(text)
        except InvalidRequirement:
            yield f"$.dependencies[{index}]: {text!r} is not a requirement such as 'numpy>=1.26'"


def _weights(manifest: Manifest) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, entry in enumerate(manifest.weights):
        path = f"$.weights[{index}]"
        if first.setdefault(entry.id, index) != index:
            yield f"{path}.id: {entry.id!r} is the id of $.weights[{first[entry.id]}] too"
        sources = [entry.source] if isinstance(entry.source, str) else entry.source
        if not sources or not all(source.strip() for source in sources):
            yield f"{path}.source: empty"
    defaults = [index for index, entry in enumerate(manifest.weights) if entry.default]
    if len(defaults) > 1:
        yield f"$.weights[{defaults[1]}].default: $.weights[{defaults[0]}] is the default already"
