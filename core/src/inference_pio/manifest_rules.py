"""What a manifest's types cannot say: texts that must parse, names that must differ."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from .manifest import Manifest


@functools.cache
def parsed_requirement(text: str) -> Requirement:
    """Parse a PEP 508 requirement. Remembered: a hundred plugins depend on the same few libraries.

    Raises:
        ValueError: It is none.
    """
    # packaging is imported by those who need it only: it is slower to import than a manifest is to read.
    from packaging.requirements import Requirement

    return Requirement(text)


@functools.cache
def is_specifier(text: str) -> bool:
    """Whether a text is a PEP 440 version specifier; the empty one is."""
    if not text.strip():
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


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
    for path, text in texts.items():
        if not is_specifier(text):
            yield f"{path}: {text!r} is not a version specifier such as '>=2.0.0'"


def _requirements(manifest: Manifest) -> Iterator[str]:
    for index, text in enumerate(manifest.dependencies):
        try:
            parsed_requirement(text)
        except ValueError:
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
