"""``load_tokenizer``: the tokenizer that belongs to a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gguf_tokenizers import tokenizer_from_gguf
from .tokenizer_json import tokenizer_from_folder

if TYPE_CHECKING:
    from ..weights import Checkpoint
    from .tokenizer import Tokenizer


def load_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """Build the tokenizer of a checkpoint: from a GGUF file's metadata, or from ``tokenizer.json`` beside the tensors.

    Raises:
        TokenizerError: The checkpoint has no tokenizer, a damaged one, or one of an unknown kind.
    """
    if checkpoint.format == "gguf":
        return tokenizer_from_gguf(checkpoint.metadata, str(checkpoint.path))
    folder = checkpoint.path if checkpoint.path.is_dir() else checkpoint.path.parent
    return tokenizer_from_folder(folder, checkpoint.config)
