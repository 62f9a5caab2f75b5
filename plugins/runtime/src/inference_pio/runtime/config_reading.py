"""From what checkpoints write to what configurations hold: GGUF metadata and the spellings of rotary settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from inference_pio.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from .weights import Checkpoint

_TOKEN_FIELDS = {
    "tokenizer.ggml.bos_token_id": "bos_token_id",
    "tokenizer.ggml.eos_token_id": "eos_token_id",
    "tokenizer.ggml.padding_token_id": "pad_token_id",
}
_SCALING = ("rope.scaling.type", "rope.scaling.factor")


def gguf_config(
    checkpoint: Checkpoint,
    fields: Mapping[str, str],
    ignorable: Collection[str] = (),
    *,
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """Translate the metadata of a GGUF file into configuration fields.

    Args:
        checkpoint: The file.
        fields: Key without its architecture prefix (``embedding_length``) to field (``hidden_size``).
        ignorable: Keys without prefix that cannot change a number the model computes.
        optional: Keys of ``fields`` that may be left out; the architecture says what holds then.

    Returns:
        Field to value, with token ids, ``rope_scaling`` where there is one, and ``vocab_size`` and
        ``tie_word_embeddings`` read off the tensors.

    Raises:
        ConfigError: A key is neither in ``fields`` nor ignorable (a setting must not be lost in silence), or a key of
            ``fields`` is missing (nor may one be made up), or the rotary scaling is neither ``none`` nor ``linear``.
    """
    prefix = f"{checkpoint.architecture}."
    config: dict[str, Any] = {}
    for key in checkpoint.metadata:  # not items(): that would convert the vocabulary, too
        name = key.removeprefix(prefix)
        if key in _TOKEN_FIELDS:
            config[_TOKEN_FIELDS[key]] = checkpoint.metadata[key]
        elif name != key and name in fields:
            config[fields[name]] = checkpoint.metadata[key]
        elif name != key and name not in ignorable and name not in _SCALING:
            value = str(checkpoint.metadata[key])[:80]
            raise ConfigError(
                f"{checkpoint.path}: this plugin does not know the setting {key} = {value}. The checkpoint may need a "
                "newer version of the plugin."
            )
    kind, factor = (checkpoint.metadata.get(prefix + name) for name in _SCALING)
    if kind not in (None, "none") or factor is not None:
        config["rope_scaling"] = _rope_scaling(checkpoint.path, kind or "linear", factor)  # llama.cpp's default too
    missing = [prefix + key for key, name in fields.items() if name not in config and key not in optional]
    if missing:
        raise ConfigError(f"{checkpoint.path} does not say {', '.join(missing)}. It was converted wrongly or cut short")
    embedding = checkpoint.tensors.get("token_embd.weight")
    if embedding is not None:
        config["vocab_size"] = embedding.shape[0]
    config["tie_word_embeddings"] = "output.weight" not in checkpoint.tensors
    return config


def _rope_scaling(path: Path, kind: Any, factor: Any) -> dict[str, Any]:
    if kind != "linear" or factor is None:
        raise ConfigError(
            f"{path}: rotary scaling {kind!r} with factor {factor} is not supported; supported: none, linear"
        )
    return {"rope_type": "linear", "factor": factor}


def require_sizes(data: Mapping[str, Any], *keys: str) -> None:
    """Raise ``ConfigError`` when a ``config.json`` leaves out a size: one must not be made up."""
    missing = [key for key in keys if data.get(key) is None]
    if missing:
        raise ConfigError(
            f"config.json does not say {', '.join(missing)}. It is incomplete; fetch the checkpoint again"
        )


def flatten_rotary(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``config.json`` content with ``rope_theta`` and ``rope_scaling`` in place of ``rope_parameters``.

    transformers 5 writes base and scaling into one mapping, earlier versions apart; the result is the same for both.
    """
    flat = dict(data)
    parameters = flat.pop("rope_parameters", None)
    if parameters is None:
        return flat
    if not isinstance(parameters, Mapping):
        raise ConfigError(f"rope_parameters = {parameters!r} is not a mapping")
    base, scaling = split_rotary(parameters)
    if base is not None:
        flat["rope_theta"] = base
    if scaling is not None:
        flat["rope_scaling"] = scaling
    return flat


def split_rotary(parameters: Mapping[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """Return base and scaling rule of a ``rope_parameters`` mapping, each ``None`` where it says nothing.

    Whatever is neither stays in the rule, which refuses what it does not know when the rotary embedding is built.
    """
    scaling = dict(parameters)
    base = scaling.pop("rope_theta", None)
    is_plain = set(scaling) <= {"rope_type"} and scaling.get("rope_type", "default") == "default"
    return base, None if is_plain else scaling
