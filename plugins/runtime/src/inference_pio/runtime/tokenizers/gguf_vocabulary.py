"""What a GGUF file says about its vocabulary, checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference_pio.errors import TokenizerError

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN, CONTROL, USER_DEFINED = 2, 3, 4
"""Token types of the format that matter here; 1 is normal, 5 unused, 6 a byte."""


@dataclass(frozen=True)
class GGUFVocabulary:
    """The vocabulary of one file.

    Attributes:
        source: The file, for messages.
        architecture: ``general.architecture``.
        tokens: Spelling by token id; no duplicates.
        types: Type by token id.
        scores: Score by token id, if the file has any.
        merges: ``"left right"`` by rank, if the file has any.
        flags: ``add_bos_token``, ``add_eos_token``, ``add_space_prefix``: what the file states.
        special: ``bos``, ``eos``, ``eot``, ``eom``, ``unknown``, ``padding``: token ids that the file states.
    """

    source: str
    architecture: str
    tokens: Sequence[str]
    types: Sequence[int]
    scores: Sequence[float] | None
    merges: Sequence[str] | None
    flags: Mapping[str, bool]
    special: Mapping[str, int]

    def of_types(self, *types: int) -> list[int]:
        """Return the ids of all tokens of these types, ascending."""
        return [token_id for token_id, kind in enumerate(self.types) if kind in types]


def read_vocabulary(metadata: Mapping[str, Any], source: str) -> GGUFVocabulary:
    """Collect a file's ``tokenizer.ggml.*`` keys.

    Raises:
        TokenizerError: A key is missing, has a wrong type or length, a token appears twice, or a special token's id
            lies outside the vocabulary.
    """
    tokens = _array(metadata, "tokens", source, str)
    if not tokens:
        raise TokenizerError(f"{source} has no vocabulary (tokenizer.ggml.tokens): it is not a whole language model")
    if "" in tokens:  # llama.cpp's name for a token without spelling
        tokens = [token or f"[EMPTY_{token_id}]" for token_id, token in enumerate(tokens)]
    if len(set(tokens)) != len(tokens):
        (twice, _), *_ = Counter(tokens).most_common(1)
        raise TokenizerError(f"{source} is damaged: token {twice!r} appears twice in its vocabulary")
    types = _array(metadata, "token_type", source, int, length=len(tokens)) or [1] * len(tokens)
    return GGUFVocabulary(
        source=source,
        architecture=str(metadata.get("general.architecture", "")),
        tokens=tokens,
        types=types,
        scores=_array(metadata, "scores", source, float, length=len(tokens)),
        merges=_array(metadata, "merges", source, str),
        flags={
            name: bool(metadata[f"tokenizer.ggml.{name}"])
            for name in ("add_bos_token", "add_eos_token", "add_space_prefix")
            if f"tokenizer.ggml.{name}" in metadata
        },
        special=_special(metadata, len(tokens), source),
    )


def _array(metadata: Mapping[str, Any], name: str, source: str, kind: type, *, length: int | None = None) -> Any:
    """Return an array of the metadata, ``None`` when it is missing or empty."""
    values = metadata.get(f"tokenizer.ggml.{name}")
    if values is None or (isinstance(values, Sequence) and not len(values)):
        return None
    is_list = isinstance(values, Sequence) and not isinstance(values, (str, bytes))
    if not is_list or not isinstance(values[0], kind) or (length is not None and len(values) != length):
        wanted = f"{length} " if length is not None else "a list of "
        raise TokenizerError(f"{source} is damaged: tokenizer.ggml.{name} must hold {wanted}{kind.__name__} values")
    return values


def _special(metadata: Mapping[str, Any], n_tokens: int, source: str) -> dict[str, int]:
    special = {}
    for name in ("bos", "eos", "eot", "eom", "unknown", "padding"):
        token_id = metadata.get(f"tokenizer.ggml.{name}_token_id")
        if token_id is None:
            continue
        if not isinstance(token_id, int) or not 0 <= token_id < n_tokens:
            raise TokenizerError(
                f"{source} is damaged: tokenizer.ggml.{name}_token_id is {token_id!r}, of {n_tokens} tokens"
            )
        special[name] = token_id
    return special
