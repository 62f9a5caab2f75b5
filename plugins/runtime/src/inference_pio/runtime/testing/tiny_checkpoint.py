"""A checkpoint with random weights, saved as transformers saves it, with a tokenizer of single bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from .reference import quiet_transformers

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL_TOKENS = ("<pad>", "<eos>", "<bos>")
VOCAB_SIZE = 259
"""256 bytes and three special tokens: the vocabulary size that a tiny reference model needs."""

INITIAL_SCALE = 0.3
"""Standard deviation of random weights: transformers' 0.02 would leave logits too flat for a greedy comparison."""


def save_tiny_checkpoint(model: Any, folder: Path) -> None:
    """Give a transformers model random weights and save it with a tokenizer.

    Args:
        model: From a small configuration with ``vocab_size=VOCAB_SIZE``.
        folder: Where to; is made.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * INITIAL_SCALE)
    with quiet_transformers():
        model.save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))


def byte_tokenizer() -> Tokenizer:
    """One token a byte, after the special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: number for number, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return tokenizer
