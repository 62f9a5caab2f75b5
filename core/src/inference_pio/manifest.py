"""Reads ``plugin_manifest.json``: a manifest is data, read before any code of its plugin runs."""

from __future__ import annotations

import functools
import json
import logging
import re
import typing
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from .errors import ManifestError
from .manifest_fields import SCHEMA_VERSION, Compatibility, EntryPoint, Manifest, WeightsEntry

logger = logging.getLogger(__name__)

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "CheckedManifest",
    "Compatibility",
    "EntryPoint",
    "Manifest",
    "WeightsEntry",
    "check_manifest",
    "manifest_of_module",
    "manifest_schema",
    "parse_manifest",
]

MANIFEST_NAME = "plugin_manifest.json"


def parse_manifest(text: str | bytes, *, plugin: str | None = None, dist: str | None = None) -> Manifest:
    """Read a manifest's JSON text.

    Args:
        text: The file's content.
        plugin: Entry point name, for messages.
        dist: Distribution and version, for messages.

    Raises:
        ManifestError: Not JSON, a key is missing or stands twice, a value has a wrong type or cannot be parsed; the
            message has the JSON paths.
    """
    checked = check_manifest(text)
    if checked.manifest is None:
        raise ManifestError(
            f"has a broken {MANIFEST_NAME}: {'; '.join(checked.faults)}. "
            "Its author must mend it; what belongs there: inference-pio schema",
            plugin=plugin,
            dist=dist,
        )
    for path in checked.unknown:
        logger.warning("plugin %r (%s): unknown key %s in %s is ignored", plugin, dist, path, MANIFEST_NAME)
    return checked.manifest


@dataclass(frozen=True)
class CheckedManifest:
    """A manifest's text after all checks.

    Attributes:
        manifest: ``None`` if there is a fault.
        faults: Each with its JSON path: ``$.weights[0].sha256: Expected `str`, got `int```.
        unknown: JSON paths of keys that nobody knows.
    """

    manifest: Manifest | None
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def check_manifest(text: str | bytes) -> CheckedManifest:
    """Check a manifest's JSON text; whatever it holds, the answer is a value and never an exception."""
    from .manifest_rules import broken_rules

    try:
        manifest = msgspec.json.decode(text, type=Manifest)
        # Read again as plain data: the typed decoder skips unknown keys and takes the last of two equal ones.
        keys = _keys(json.loads(text, object_pairs_hook=_Pairs))
    except msgspec.ValidationError as error:
        return CheckedManifest(None, (_with_path(str(error)),))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return CheckedManifest(None, (f"$: not readable as JSON: {error}",))
    faults = (*(f"{path}: stands twice" for path in keys.repeated), *broken_rules(manifest))
    return CheckedManifest(None if faults else manifest, faults, tuple(keys.unknown))


_AT = re.compile(r"(?P<what>.*) - at `(?P<path>\$.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<key>.*)`")


def _with_path(message: str) -> str:
    """Put the JSON path in front of msgspec's message; it leaves the path out at the root."""
    found = _AT.fullmatch(message)
    path, what = (found["path"], found["what"]) if found else ("$", message)
    missing = _MISSING.fullmatch(what)
    return f"{path}.{missing['key']}: missing" if missing else f"{path}: {what}"


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys as they stand, repeated ones included."""


@dataclass
class _Keys:
    unknown: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


def _keys(data: Any) -> _Keys:
    found = _Keys()
    _visit(data, Manifest, "$", found)
    return found


def _visit(data: Any, struct: type[Struct] | None, path: str, found: _Keys) -> None:
    """Compare the keys in ``data`` with those of a Struct type; ``data`` may be a list of such objects."""
    if struct is None:
        return
    if not isinstance(data, _Pairs):
        for index, item in enumerate(data if isinstance(data, list) else ()):
            _visit(item, struct, f"{path}[{index}]", found)
        return
    fields = _fields(struct)
    seen: set[str] = set()
    for key, value in data:
        here = f"{path}.{key}"
        if key in seen:
            found.repeated.append(here)
        elif key not in fields:
            found.unknown.append(here)
        else:
            _visit(value, fields[key], here, found)
        seen.add(key)


@functools.cache
def _fields(struct: type[Struct]) -> dict[str, type[Struct] | None]:
    """JSON key -> the Struct in the field's type, if there is one."""
    return {item.encode_name: _struct_in(item.type) for item in msgspec.structs.fields(struct)}


def _struct_in(kind: Any) -> type[Struct] | None:
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((found for arg in typing.get_args(kind) if (found := _struct_in(arg))), None)


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest."""
    from .manifest_reference import manifest_schema as schema

    return schema()


def manifest_of_module(module: str) -> Manifest:
    """Read the manifest that lies next to an importable module.

    Raises:
        ManifestError: There is none, or it is broken.
    """
    import importlib.resources

    package = module.rpartition(".")[0] or module
    try:
        text = importlib.resources.files(package).joinpath(MANIFEST_NAME).read_bytes()
    except (FileNotFoundError, ModuleNotFoundError, TypeError) as error:
        raise ManifestError(f"has no {MANIFEST_NAME} beside module {module}", plugin=module) from error
    return parse_manifest(text, plugin=module)
