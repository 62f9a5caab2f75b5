"""``BaseConfig``: what every model configuration shares.

A configuration is data. Its field names are the checkpoint's (``config.json``), every field has a default, and a key
that a configuration does not know is an error unless it is listed as ignorable: a setting of a checkpoint is never lost
in silence.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...atomic_files import write_atomically
from ...errors import ConfigError
from ...names import nearest_names
from .field_types import checked_value, field_types

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

IGNORABLE_KEYS: frozenset[str] = frozenset(
    {
        # Who wrote the file and with what: no effect on numbers.
        "_name_or_path", "architectures", "model_type", "transformers_version", "torch_dtype", "dtype",
        # Training only.
        "attention_dropout", "initializer_range", "pretraining_tp", "gradient_checkpointing", "hidden_dropout",
        "use_cache", "_attn_implementation_autoset", "chunk_size_feed_forward", "output_attentions",
        "output_hidden_states", "return_dict", "is_encoder_decoder", "problem_type", "id2label", "label2id",
        "transformers.js_config", "is_llama_config", "vllm_config", "cache_implementation",
        # Would select code in other hosts; here a checkpoint is data and nothing in it selects code.
        "auto_map", "custom_pipelines", "trust_remote_code",
    }
)  # fmt: skip

_KEYS_THAT_NAME_CODE = ("auto_map", "custom_pipelines")

_AT_LEAST_ONE = frozenset(
    {
        "vocab_size", "max_position_embeddings", "hidden_size", "intermediate_size", "head_dim",
        "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    }
)  # fmt: skip
"""Sizes without which there is no model; other counts (shared experts, extra prediction layers) may be 0."""


@dataclass
class BaseConfig:
    """Fields that every model has; subclasses add their own and adjust in ``__post_init__``.

    Attributes:
        vocab_size: Rows of the embedding, tokens.
        max_position_embeddings: Longest context the model was made for, tokens.
        bos_token_id: Beginning-of-text token, if the model uses one.
        eos_token_id: Token or tokens that end a text.
        pad_token_id: Filler token of batches, if the model has one.
        tie_word_embeddings: The output head shares the embedding's weights.
    """

    ignorable_keys: ClassVar[frozenset[str]] = IGNORABLE_KEYS
    """Keys of a checkpoint's ``config.json`` that cannot change a number this model computes."""

    vocab_size: int = 32000
    max_position_embeddings: int = 2048
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self) -> None:
        """Check every field's type, and that sizes are not negative and the vital ones not 0.

        Lossless conversions are made: a whole number in a ``float`` field, a list in a ``tuple`` field.

        Raises:
            ConfigError: A value has a wrong type, is not a number (NaN), or a size is too small.
        """
        own: type = type(self)
        for name, kind in field_types(own).items():
            try:
                value = checked_value(getattr(self, name), kind)
            except ValueError as error:
                raise ConfigError(f"{type(self).__name__}.{name} = {getattr(self, name)!r}: {error}") from error
            setattr(self, name, value)
            self._check_size(name, value)

    def _check_size(self, name: str, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            return
        least = 1 if name in _AT_LEAST_ONE else 0
        if value < least and (name in _AT_LEAST_ONE or name.startswith("num_") or name.endswith("_size")):
            raise ConfigError(f"{type(self).__name__}.{name} = {value}: must be at least {least}")

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        """The end-of-text tokens as a tuple, however the checkpoint writes them."""
        ids = self.eos_token_id
        return () if ids is None else (ids,) if isinstance(ids, int) else tuple(ids)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a configuration from a mapping.

        Raises:
            ConfigError: A key is unknown and not ignorable (the message has the nearest field), or a value is wrong.
        """
        known = [f.name for f in dataclasses.fields(cls) if f.init]
        unknown = [str(key) for key in data if key not in known and key not in cls.ignorable_keys]
        if unknown:
            raise ConfigError(
                f"{cls.__name__} does not know {', '.join(_with_nearest(key, known) for key in unknown)}. "
                "The checkpoint may need a newer version of this plugin"
            )
        for key in _KEYS_THAT_NAME_CODE:
            if key in data:
                logger.warning(
                    "the checkpoint's %r names code; it is ignored: code comes from installed plugins only", key
                )
        return cls(**{key: value for key, value in data.items() if key in known})

    @classmethod
    def from_hugging_face(cls, data: Mapping[str, Any]) -> Self:
        """Build a configuration from a checkpoint's ``config.json``; subclasses translate old spellings.

        Raises:
            ConfigError: As ``from_dict``.
        """
        return cls.from_dict(data)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain data; ``from_dict`` takes it back."""
        import msgspec

        settable = [f.name for f in dataclasses.fields(self) if f.init]
        plain: dict[str, Any] = msgspec.to_builtins({name: getattr(self, name) for name in settable})
        return plain

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a ``config.json``.

        Raises:
            ConfigError: The file cannot be read, is not a JSON object, or does not fit.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"cannot read the configuration {os.fspath(path)}: {error}") from error
        if not isinstance(data, dict):
            raise ConfigError(f"the configuration {os.fspath(path)} is not a JSON object")
        return cls.from_hugging_face(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all fields as JSON; the file is replaced as a whole or not at all.

        Raises:
            ConfigError: The file cannot be written.
        """
        try:
            write_atomically(Path(path), (json.dumps(self.to_dict(), indent=2) + "\n").encode())
        except (OSError, TypeError) as error:
            raise ConfigError(f"cannot write the configuration {os.fspath(path)}: {error}") from error


def _with_nearest(key: str, known: list[str]) -> str:
    nearest = nearest_names(key, known, limit=1)
    return f"{key!r}" + (f" (did you mean {nearest[0]!r}?)" if nearest else "")
